"""Shops on every database, in every mode."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.databases import Kind, fresh_database

from .shops import DB_MODES, MODES, Mode, Shop

OpenShop = Callable[..., Shop]


@pytest.fixture
def kind() -> Kind:
    """The database; tests that care say which."""
    return "sqlite"


@pytest.fixture
def open_shop(kind: Kind, mode: Mode, tmp_path: Path) -> Iterator[OpenShop]:
    """Open shops on one database: each is another worker of the same shop."""
    with ExitStack() as stack:
        url = stack.enter_context(fresh_database(kind, tmp_path))

        def open_one() -> Shop:
            shop = Shop(mode, url, tmp_path)
            stack.callback(shop.close)
            return shop.set_up()

        yield open_one


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest) -> Mode:
    """With a database of the inbox's own, or in the merchant's."""
    found: Mode = request.param
    return found


@pytest.fixture
def shop(open_shop: OpenShop) -> Shop:
    """A shop."""
    return open_shop()


with_db = pytest.mark.parametrize("mode", DB_MODES, indirect=False)
"""Run a test in the modes where handlers write in the merchant's session."""
