from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from flask_paysafer.sandbox import Sandbox
from tests.cli.shop import KitShop


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture
def shop(sandbox: Sandbox, tmp_path: Path) -> KitShop:
    return KitShop(sandbox, tmp_path)
