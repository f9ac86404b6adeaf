from __future__ import annotations

import pytest
from sqlalchemy import make_url

from flask_paysafer.inbox.engines import _patience


@pytest.mark.parametrize(
    ("url", "arguments"),
    [
        ("sqlite:///inbox.sqlite", {"timeout": 5.0}),
        ("postgresql+psycopg://db/shop", {"connect_timeout": 5}),
        ("postgresql://db/shop", {"connect_timeout": 5}),
        ("mysql+pymysql://db/shop", {"connect_timeout": 5}),
        ("postgresql+psycopg://db/shop?connect_timeout=2", {}),
        ("postgresql+pg8000://db/shop", {}),
    ],
)
def test_the_wait_for_a_silent_database_is_bounded(url: str, arguments: dict[str, float]) -> None:
    assert _patience(make_url(url)) == arguments
