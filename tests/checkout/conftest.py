"""Shops for the checkout's tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from flask_paysafer.sandbox import Sandbox
from tests.checkout.shop import Shop

MakeShop = Callable[..., Shop]


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def make_shop(sandbox: Sandbox, tmp_path: Path) -> MakeShop:
    """Open shops on one database, each as another worker has it."""

    def make(**settings: Any) -> Shop:
        return Shop(sandbox, tmp_path, **settings)

    return make


@pytest.fixture
def shop(make_shop: MakeShop) -> Shop:
    return make_shop()
