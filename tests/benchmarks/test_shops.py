from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from .shops import Delivery, Door, by_hand, delivery, with_the_extension

Shop = Callable[[str, Callable[[Any], object]], Flask]


@pytest.fixture(params=[with_the_extension, by_hand])
def shop(request: pytest.FixtureRequest) -> Shop:
    made: Shop = request.param
    return made


def test_both_shops_do_the_same_work(shop: Shop, tmp_path: Path) -> None:
    """Else the comparison would say nothing."""
    seen: list[str] = []
    door = Door(
        shop(f"sqlite:///{tmp_path / 'rows.sqlite'}", lambda event: seen.append(event["id"]))
    )
    once = delivery()
    assert [door.send(once), door.send(once)] == ["200 OK", "200 OK"]
    assert door.send(Delivery(delivery().body, once.signature)).startswith("400")
    assert len(seen) == 1


def test_a_refusal_is_no_good_delivery(tmp_path: Path) -> None:
    door = Door(by_hand(f"sqlite:///{tmp_path / 'rows.sqlite'}", print))
    with pytest.raises(AssertionError, match="the shop answered 400"):
        door.send_well(delivery(age=400))
