"""A local PaySafer for this shop: started, and its webhook endpoint registered."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from flask_paysafer import PaySaferClient, errors
from flask_paysafer.sandbox import Sandbox

SECRET_KEY = "sk_test_dallahroasters"
PUBLISHABLE_KEY = "pk_test_dallahroasters"


@contextmanager
def local_paysafer(folder: Path, port: int) -> Iterator[str]:
    """Serve a local PaySafer that keeps its payments in ``folder``; yield its URL."""
    # The shop's clock is the real one, also after the sandbox's was moved or stood still.
    sandbox = Sandbox(db=folder / "paysafer.db", sign_with="wall")
    with sandbox, sandbox.serve(port=port) as served:
        yield str(served.url)


def settings_for(shop_url: str, *, paysafer_url: str, folder: Path) -> dict[str, Any]:
    """Return the settings with which the shop at ``shop_url`` uses the local PaySafer."""
    api_base = f"{paysafer_url}/v1"
    with PaySaferClient(SECRET_KEY, base_url=api_base) as client:
        secret = _endpoint_secret(client, f"{shop_url}/paysafer/webhook", folder / "endpoint.json")
    return {
        "PAYSAFER_API_BASE": api_base,
        "PAYSAFER_SECRET_KEY": SECRET_KEY,
        "PAYSAFER_PUBLISHABLE_KEY": PUBLISHABLE_KEY,
        "PAYSAFER_WEBHOOK_SECRET": secret,
    }


def _endpoint_secret(client: PaySaferClient, url: str, kept: Path) -> str:
    """Register the endpoint once and keep its secret: the API tells it only at creation.

    A second registration would strand the deliveries that still wait for the first.
    """
    if kept.exists():
        endpoint = json.loads(kept.read_text())
        if endpoint["url"] == url and _is_registered(client, endpoint["id"]):
            return str(endpoint["secret"])
    created = client.webhook_endpoints.create(url=url, enabled_events=["*"])
    kept.touch(mode=0o600)
    kept.write_text(json.dumps({key: created[key] for key in ("id", "url", "secret")}))
    return str(created["secret"])


def _is_registered(client: PaySaferClient, endpoint: str) -> bool:
    try:
        client.webhook_endpoints.retrieve(endpoint)
    except errors.NotFoundError:
        return False
    return True
