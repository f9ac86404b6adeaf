CREATE TABLE paysafer_event (
    key BIGSERIAL NOT NULL,
    account VARCHAR(64) NOT NULL,
    event_id VARCHAR(255) NOT NULL,
    type VARCHAR(255) NOT NULL,
    object_id VARCHAR(255),
    created BIGINT NOT NULL,
    state VARCHAR(16) NOT NULL,
    due_at BIGINT,
    fence INTEGER NOT NULL,
    visited_until BIGINT,
    attempts INTEGER NOT NULL,
    received_at BIGINT NOT NULL,
    finished_at BIGINT,
    digest VARCHAR(64) NOT NULL,
    verified_with VARCHAR(64),
    note VARCHAR(255),
    encrypted BOOLEAN NOT NULL,
    payload BYTEA NOT NULL,
    PRIMARY KEY (key),
    CONSTRAINT paysafer_event_once UNIQUE (account, event_id)
);

CREATE INDEX paysafer_event_unfinished ON paysafer_event (account, due_at) WHERE due_at IS NOT NULL;

CREATE TABLE paysafer_handler_run (
    event_key BIGINT NOT NULL,
    handler VARCHAR(255) NOT NULL,
    fence INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    done_at BIGINT NOT NULL,
    skipped VARCHAR(64),
    PRIMARY KEY (event_key, handler)
);

CREATE TABLE paysafer_handler_failure (
    key BIGSERIAL NOT NULL,
    event_key BIGINT NOT NULL,
    handler VARCHAR(255) NOT NULL,
    attempt INTEGER NOT NULL,
    failed_at BIGINT NOT NULL,
    error TEXT NOT NULL,
    PRIMARY KEY (key)
);

CREATE INDEX paysafer_handler_failure_of ON paysafer_handler_failure (event_key);

CREATE TABLE paysafer_delivery (
    key BIGSERIAL NOT NULL,
    event_key BIGINT NOT NULL,
    delivered_at BIGINT NOT NULL,
    found VARCHAR(16) NOT NULL,
    verified_with VARCHAR(64),
    PRIMARY KEY (key)
);

CREATE INDEX paysafer_delivery_of ON paysafer_delivery (event_key);

CREATE TABLE paysafer_watermark (
    account VARCHAR(64) NOT NULL,
    handler VARCHAR(255) NOT NULL,
    object_id VARCHAR(255) NOT NULL,
    created BIGINT NOT NULL,
    held_by BIGINT,
    held_until BIGINT,
    PRIMARY KEY (account, handler, object_id)
);

CREATE TABLE paysafer_checkout (
    account VARCHAR(64) NOT NULL,
    reference VARCHAR(255) NOT NULL,
    shop VARCHAR(64) NOT NULL,
    attempts INTEGER NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (account, reference)
);

CREATE TABLE paysafer_checkout_attempt (
    account VARCHAR(64) NOT NULL,
    reference VARCHAR(255) NOT NULL,
    number INTEGER NOT NULL,
    idempotency_key VARCHAR(255) NOT NULL,
    amount BIGINT NOT NULL,
    currency VARCHAR(3) NOT NULL,
    manual_capture BOOLEAN NOT NULL,
    state VARCHAR(64) NOT NULL,
    payment_id VARCHAR(255),
    failure VARCHAR(255),
    next_url TEXT,
    request BYTEA,
    request_encrypted BOOLEAN NOT NULL,
    begun_at BIGINT NOT NULL,
    due_at BIGINT NOT NULL,
    fence INTEGER NOT NULL,
    PRIMARY KEY (account, reference, number)
);

CREATE TABLE paysafer_fact (
    account VARCHAR(64) NOT NULL,
    type VARCHAR(64) NOT NULL,
    object_id VARCHAR(255) NOT NULL,
    amount BIGINT NOT NULL,
    seen_at BIGINT NOT NULL,
    stands BOOLEAN NOT NULL,
    event_key BIGINT,
    PRIMARY KEY (account, type, object_id, amount)
);

CREATE TABLE paysafer_schema (
    id INTEGER NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (id)
);
