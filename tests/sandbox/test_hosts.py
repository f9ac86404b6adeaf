"""A page whose name was rebound to this machine can't use the API."""

from __future__ import annotations

from typing import Any

import pytest

from flask_paysafer.sandbox import Sandbox

KEY = {"Authorization": "Bearer sk_test_acmeshop1"}


def ask(sandbox: Sandbox, host: str, path: str = "/v1/payments") -> Any:
    browser = sandbox.wsgi_app.test_client()  # type: ignore[attr-defined]  # it is Flask's
    return browser.get(path, headers={**KEY, "Host": host})


@pytest.mark.parametrize(
    "host",
    ["localhost:4242", "LOCALHOST", "127.0.0.1:4242", "127.8.9.1", "[::1]:4242", "shop.localhost"],
)
def test_loopback_names_and_addresses_are_answered(sandbox: Sandbox, host: str) -> None:
    assert ask(sandbox, host).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:4242", "192.168.1.5", "localhost.evil"]
)
@pytest.mark.parametrize("path", ["/v1/payments", "/v1/unknown", "/", "/openapi.json"])
def test_other_hosts_are_refused(sandbox: Sandbox, host: str, path: str) -> None:
    answer = ask(sandbox, host, path)
    assert (answer.status_code, answer.json["error"]["code"]) == (403, "host_not_allowed")
    assert "--allow-host" in answer.json["error"]["message"]
    assert sandbox.objects("payment") == []


def test_allowed_name_is_answered_by_the_api_alone() -> None:
    with Sandbox(allow_hosts=["Paysafer"]) as sandbox:
        assert ask(sandbox, "paysafer:4242").status_code == 200
        assert ask(sandbox, "paysafer:4242", "/").status_code == 403
        assert ask(sandbox, "paysafer:4242", "/_sandbox/clock").status_code == 403


def test_own_transports_take_any_address(sandbox: Sandbox) -> None:
    import httpx

    with httpx.Client(transport=sandbox.transport(), headers=KEY) as client:
        assert client.get("https://api.paysafer.me/v1/payments").status_code == 200
