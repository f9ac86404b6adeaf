"""The dashboard of a sandbox, asked without a browser."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from flask_paysafer.sandbox import Sandbox
from tests.testing.merchant import loaded, run

__all__ = ["loaded", "run"]

Feed = Callable[..., dict[str, Any]]


@pytest.fixture
def dashboard(sandbox: Sandbox) -> Iterator[httpx.Client]:
    with httpx.Client(transport=sandbox.transport(), base_url="http://127.0.0.1") as dashboard:
        yield dashboard


@pytest.fixture
def feed(dashboard: httpx.Client) -> Feed:
    """Return what the page gets for a list and perhaps an object."""

    def ask(kind: str = "payment", **query: Any) -> dict[str, Any]:
        answer = dashboard.get("/_sandbox/dashboard/feed", params={"kind": kind, **query})
        found: dict[str, Any] = answer.raise_for_status().json()
        return found

    return ask
