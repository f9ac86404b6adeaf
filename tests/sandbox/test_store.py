from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from flask_paysafer.errors import ConfigurationError
from flask_paysafer.sandbox import Sandbox, WebhookResponse
from flask_paysafer.sandbox.store import Storage, Store, Tenant

from .conftest import client_of, pay
from .shop import Shop

REALM = Tenant("acmeshop1", "test")
ORDER = {"amount": 15000, "currency": "aed", "payment_method": "pm_card_visa"}
KEY = {"Idempotency-Key": "order_1"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "sandbox.db"


def kept(file: Path, shop: Shop, **options: Any) -> Sandbox:
    return Sandbox(db=file, sender=shop.receive, **{"clock_rate": 0, **options})


def test_everything_is_there_again(file: Path, shop: Shop) -> None:
    with kept(file, shop) as sandbox, client_of(sandbox) as client:
        shop.register(client)
        first = client.post("/payments", json=ORDER, headers=KEY)
        pay(client, "createDispute")
        sandbox.advance(0)
        before = {
            name: sandbox.objects(name)
            for name in ("payment", "webhook_endpoint", "dispute", "customer")
        }
        events, deliveries = sandbox.events(), sandbox.deliveries()
    with kept(file, shop) as sandbox, client_of(sandbox) as client:
        assert {name: sandbox.objects(name) for name in before} == before
        assert (sandbox.events(), sandbox.deliveries()) == (events, deliveries)
        again = client.post("/payments", json=ORDER, headers=KEY)
        assert (again.text, again.headers["Idempotent-Replayed"]) == (first.text, "true")
        listed = client.get("/payments").json()["data"]
        assert [payment["id"] for payment in listed] == [
            payment["id"] for payment in reversed(before["payment"])
        ]


def test_clock_goes_on_where_it_stopped(file: Path, shop: Shop) -> None:
    with kept(file, shop, start=1_800_000_000.0) as sandbox:
        sandbox.advance(500)
    with Sandbox(db=file) as sandbox:
        assert sandbox.clock() == {"now": 1_800_000_500, "rate": 0}


def test_armed_faults_wait_on(file: Path, shop: Shop) -> None:
    with kept(file, shop) as sandbox, client_of(sandbox) as client:
        sandbox.fault("error-500", path="/v1/payments", times=2)
        spent = sandbox.fault("rate-limit", path="/v1/payments")
        assert [pay(client).status_code for _ in range(3)] == [500, 500, 429]
        sandbox.fault("error-500", path="/v1/customers", times=3)
        client.get("/customers")
        left = sandbox.faults()
    assert spent["id"] not in {fault["id"] for fault in left}
    with kept(file, shop) as sandbox, client_of(sandbox) as client:
        assert sandbox.faults() == left
        assert [client.get("/customers").status_code for _ in range(3)] == [500, 500, 200]


@pytest.mark.parametrize("disarm", [Sandbox.clear_faults, Sandbox.reset])
def test_disarmed_faults_do_not_come_back(
    file: Path, shop: Shop, disarm: Callable[[Sandbox], None]
) -> None:
    with kept(file, shop) as sandbox:
        sandbox.fault("error-500")
        disarm(sandbox)
    with kept(file, shop) as sandbox:
        assert sandbox.faults() == []


def test_a_killed_sandbox_has_kept_what_was_armed(file: Path, shop: Shop) -> None:
    with kept(file, shop) as sandbox:
        sandbox.fault("lost-answer")
        copy = file.with_name("as-left.db")
        for suffix in ("", "-wal"):
            copy.with_name(copy.name + suffix).write_bytes(
                file.with_name(file.name + suffix).read_bytes()
            )
    with kept(copy, shop) as sandbox:
        assert [fault["kind"] for fault in sandbox.faults()] == ["lost-answer"]


def test_retries_go_on(file: Path, shop: Shop) -> None:
    shop.answers = [WebhookResponse(500), WebhookResponse(500)]
    with kept(file, shop) as sandbox, client_of(sandbox) as client:
        shop.register(client)
        client.post("/customers")
        sandbox.advance(60)
        assert len(shop.requests) == 2
    with kept(file, shop) as sandbox:
        sandbox.advance(299)
        assert len(shop.requests) == 2
        sandbox.advance(1)
        assert sandbox.deliveries()[0]["status"] == "delivered"


def test_authorisations_run_out_all_the_same(file: Path, shop: Shop) -> None:
    with kept(file, shop) as sandbox, client_of(sandbox) as client:
        pay(client, capture_method="manual")
    with kept(file, shop) as sandbox:
        sandbox.advance(7 * 86400)
        assert sandbox.objects("payment")[0]["status"] == "canceled"


def test_reset_empties_the_file_too(file: Path, shop: Shop) -> None:
    with kept(file, shop) as sandbox, client_of(sandbox) as client:
        pay(client)
        sandbox.reset()
    with kept(file, shop) as sandbox:
        assert (sandbox.objects("payment"), sandbox.events()) == ([], [])


def test_file_belongs_to_one_sandbox(file: Path, shop: Shop) -> None:
    with kept(file, shop), pytest.raises(ConfigurationError, match="Another sandbox"):
        kept(file, shop)


def test_other_file_is_refused(file: Path, shop: Shop) -> None:
    file.write_bytes(b"a diary" * 200)
    with pytest.raises(ConfigurationError, match="--db"):
        kept(file, shop)


def test_folder_is_refused(tmp_path: Path, shop: Shop) -> None:
    with pytest.raises(ConfigurationError, match="--db"):
        kept(tmp_path, shop)


def test_transaction_that_fails_leaves_nothing(file: Path) -> None:
    storage = Storage(file)
    store = Store(storage)
    with store.transaction():
        store.put("thing", REALM, {"id": "a", "size": 1})

    def change_all_and_fail() -> None:
        with store.transaction():
            store.put("thing", REALM, {"id": "a", "size": 2})
            store.put("thing", REALM, {"id": "b", "size": 1})
            store.discard("thing", REALM, "a")
            raise KeyError

    with pytest.raises(KeyError):
        change_all_and_fail()
    assert [row["size"] for _, row in store.rows("thing")] == [1]
    assert [row["size"] for _, row in storage.rows()] == [1]
    store.close()


def test_full_disk_fails_the_call_and_changes_nothing(file: Path, shop: Shop) -> None:
    with kept(file, shop) as sandbox, client_of(sandbox) as client:
        connection = sandbox.engine.store._storage._connection  # type: ignore[union-attr]  # it has one
        connection.execute("PRAGMA query_only = ON")
        answer = pay(client)
        assert (answer.status_code, answer.json()["error"]["type"]) == (500, "api_error")
        assert sandbox.objects("payment") == []
        connection.execute("PRAGMA query_only = OFF")
        assert pay(client).status_code == 200
        assert len(sandbox.events()) == 2


def test_two_sandboxes_know_nothing_of_each_other(client: httpx.Client) -> None:
    payment_id = pay(client).json()["id"]
    with Sandbox() as other, client_of(other) as elsewhere:
        assert elsewhere.get(f"/payments/{payment_id}").status_code == 404
        assert other.events() == []
