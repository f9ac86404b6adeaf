"""The example shop, open, with a local PaySafer of its own beside it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from example_app.serving import OpenShop, open_shop
from example_app.visitor import Visitor


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[OpenShop]:
    with open_shop(tmp_path, 0, 0) as shop:
        yield shop


@pytest.fixture
def visitor(shop: OpenShop) -> Iterator[Visitor]:
    with Visitor(shop.url) as visitor:
        yield visitor
