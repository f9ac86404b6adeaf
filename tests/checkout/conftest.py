"""Shops for the checkout's tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
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
def make_shop(sandbox: Sandbox, tmp_path: Path) -> Iterator[MakeShop]:
    """Open shops on one database, each as another worker has it."""
    with ExitStack() as stack:

        def make(**settings: Any) -> Shop:
            return stack.enter_context(closing(Shop(sandbox, tmp_path, **settings)))

        yield make


@pytest.fixture
def shop(make_shop: MakeShop) -> Shop:
    return make_shop()
