from __future__ import annotations

from typing import Any

import pytest

from flask_paysafer.client import PaySaferClient

from .driving import PUBLISHABLE_KEY, SECRET_KEY
from .recording import Recorder


@pytest.fixture
def paysafer() -> Recorder:
    """What the client's requests reach."""
    return Recorder()


@pytest.fixture
def client(paysafer: Recorder) -> Any:
    """A client. Untyped, for many calls of these tests are wrong on purpose."""
    return PaySaferClient(SECRET_KEY, publishable_key=PUBLISHABLE_KEY, transport=paysafer)
