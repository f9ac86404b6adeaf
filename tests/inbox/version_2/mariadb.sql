CREATE TABLE paysafer_event (
    `key` BIGINT NOT NULL AUTO_INCREMENT,
    account VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    event_id VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    type VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    object_id VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
    created BIGINT NOT NULL,
    state VARCHAR(16) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    due_at BIGINT,
    fence INTEGER NOT NULL,
    visited_until BIGINT,
    attempts INTEGER NOT NULL,
    received_at BIGINT NOT NULL,
    finished_at BIGINT,
    digest VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    verified_with VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
    note VARCHAR(255),
    encrypted BOOL NOT NULL,
    payload LONGBLOB NOT NULL,
    PRIMARY KEY (`key`),
    CONSTRAINT paysafer_event_once UNIQUE (account, event_id)
);

CREATE INDEX paysafer_event_unfinished ON paysafer_event (account, due_at);

CREATE TABLE paysafer_handler_run (
    event_key BIGINT NOT NULL,
    handler VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    fence INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    done_at BIGINT NOT NULL,
    skipped VARCHAR(64),
    PRIMARY KEY (event_key, handler)
);

CREATE TABLE paysafer_handler_failure (
    `key` BIGINT NOT NULL AUTO_INCREMENT,
    event_key BIGINT NOT NULL,
    handler VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    attempt INTEGER NOT NULL,
    failed_at BIGINT NOT NULL,
    error TEXT NOT NULL,
    PRIMARY KEY (`key`)
);

CREATE INDEX paysafer_handler_failure_of ON paysafer_handler_failure (event_key);

CREATE TABLE paysafer_delivery (
    `key` BIGINT NOT NULL AUTO_INCREMENT,
    event_key BIGINT NOT NULL,
    delivered_at BIGINT NOT NULL,
    found VARCHAR(16) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    verified_with VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
    PRIMARY KEY (`key`)
);

CREATE INDEX paysafer_delivery_of ON paysafer_delivery (event_key);

CREATE TABLE paysafer_watermark (
    account VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    handler VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    object_id VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    created BIGINT NOT NULL,
    held_by BIGINT,
    held_until BIGINT,
    PRIMARY KEY (account, handler, object_id)
);

CREATE TABLE paysafer_checkout (
    account VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    reference VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    shop VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    attempts INTEGER NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (account, reference)
);

CREATE TABLE paysafer_checkout_attempt (
    account VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    reference VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    number INTEGER NOT NULL,
    idempotency_key VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    amount BIGINT NOT NULL,
    currency VARCHAR(3) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    manual_capture BOOL NOT NULL,
    state VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    payment_id VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin,
    failure VARCHAR(255),
    next_url TEXT,
    request LONGBLOB,
    request_encrypted BOOL NOT NULL,
    begun_at BIGINT NOT NULL,
    due_at BIGINT NOT NULL,
    fence INTEGER NOT NULL,
    PRIMARY KEY (account, reference, number)
);

CREATE TABLE paysafer_fact (
    account VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    type VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    object_id VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    amount BIGINT NOT NULL,
    seen_at BIGINT NOT NULL,
    stands BOOL NOT NULL,
    event_key BIGINT,
    PRIMARY KEY (account, type, object_id, amount)
);

CREATE TABLE paysafer_schema (
    id INTEGER NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (id)
);
