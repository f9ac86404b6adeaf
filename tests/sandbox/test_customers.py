from __future__ import annotations

import httpx

from flask_paysafer.sandbox import Sandbox

from .conftest import types

AMAL = {"email": "amal@example.com", "name": "Amal", "metadata": {"tier": "gold", "since": "2020"}}


def test_customer_has_the_documented_fields(client: httpx.Client) -> None:
    customer = client.post("/customers", json=AMAL).json()
    assert customer == {
        "id": customer["id"],
        "object": "customer",
        "email": "amal@example.com",
        "name": "Amal",
        "phone": None,
        "metadata": {"tier": "gold", "since": "2020"},
        "created": customer["created"],
        "livemode": False,
    }
    assert client.get(f"/customers/{customer['id']}").json() == customer


def test_change_is_told_once_and_no_change_never(client: httpx.Client, sandbox: Sandbox) -> None:
    path = f"/customers/{client.post('/customers', json=AMAL).json()['id']}"
    changed = client.patch(path, json={"phone": "+971500000000"}).json()
    assert (changed["phone"], changed["name"]) == ("+971500000000", "Amal")
    client.patch(path, json={"phone": "+971500000000"}).raise_for_status()
    client.patch(path, json={}).raise_for_status()
    assert types(sandbox) == ["customer.created", "customer.updated"]
    assert sandbox.events()[1]["data"] == changed


def test_metadata_is_merged_and_emptied_keys_go(client: httpx.Client) -> None:
    path = f"/customers/{client.post('/customers', json=AMAL).json()['id']}"
    changed = client.patch(path, json={"metadata": {"tier": "silver", "since": ""}}).json()
    assert changed["metadata"] == {"tier": "silver"}


def test_deleted_customer_is_gone(client: httpx.Client, sandbox: Sandbox) -> None:
    customer_id = client.post("/customers", json=AMAL).json()["id"]
    path = f"/customers/{customer_id}"
    deleted = client.delete(path).json()
    assert deleted == {"id": customer_id, "object": "customer", "deleted": True}
    for answer in (client.get(path), client.delete(path), client.patch(path, json={})):
        assert answer.status_code == 404
        assert answer.json()["error"]["code"] == "resource_missing"
    assert types(sandbox) == ["customer.created"]
