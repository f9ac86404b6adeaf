"""Every habit on every database, inline and with Celery: the one oracle.

Done and written exactly once, or not done, loud and unwritten.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import product
from pathlib import Path
from typing import Any, Literal

import pytest

from flask_paysafer import Event
from tests.databases import KINDS, Kind, fresh_database

from .habits import HABITS, Habit
from .shop import Dispatch, Extension, Shop

Outcome = Literal["succeeds", "fails", "fails once"]
DISPATCHES: tuple[Dispatch, ...] = ("inline", "celery")
EXTENSIONS: tuple[Extension, ...] = ("flask-sqlalchemy", "flask-sqlalchemy-lite")
OUTCOMES: tuple[Outcome, ...] = ("succeeds", "fails", "fails once")


class BrokenError(Exception):
    """What a failing handler raises, after all that it has written."""


def _cells() -> Iterator[Any]:
    for habit in HABITS:
        for kind, dispatch, extension in product(KINDS, DISPATCHES, EXTENSIONS):
            is_lite = extension == "flask-sqlalchemy-lite"
            if kind not in habit.only or (is_lite and "class_" in habit.session_options):
                continue  # the class of sessions is Flask-SQLAlchemy's
            is_quick = (kind, dispatch, is_lite) == ("sqlite", "inline", False)
            marks = [] if is_quick else [pytest.mark.slow]
            if kind != "sqlite":
                marks.append(pytest.mark.services)
            name = f"{habit.name}-{kind}-{dispatch}-{extension}"
            yield pytest.param(kind, dispatch, extension, habit, marks=marks, id=name)


@pytest.fixture(scope="module")
def databases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Kind], str]]:
    """One database of a kind for all cells: each begins with empty tables."""
    with ExitStack() as stack:
        opened: dict[Kind, str] = {}

        def find(kind: Kind) -> str:
            if kind not in opened:
                folder = tmp_path_factory.mktemp("habits")
                opened[kind] = stack.enter_context(fresh_database(kind, folder))
            return opened[kind]

        yield find


@pytest.fixture
def open_shop(
    databases: Callable[[Kind], str], kind: Kind, dispatch: Dispatch, tmp_path: Path
) -> Iterator[Callable[[Habit, Extension], Shop]]:
    with ExitStack() as stack:

        def open_one(habit: Habit, extension: Extension) -> Shop:
            shop = Shop(
                databases(kind),
                tmp_path,
                dispatch,
                extension,
                engine_options=habit.engine_options,
                session_options=habit.session_options,
            )
            stack.callback(shop.close)
            if habit.prepare is not None:
                habit.prepare(shop)
            return shop

        yield open_one


@pytest.mark.parametrize(("kind", "dispatch", "extension", "habit"), [*_cells()])
def test_done_and_written_once_or_loudly_neither(
    open_shop: Callable[[Habit, Extension], Shop],
    habit: Habit,
    extension: Extension,
    dispatch: Dispatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    shop = open_shop(habit, extension)
    failing: list[Outcome] = ["succeeds"]
    runs: list[str] = []

    @shop.paysafer.on("payment.completed", name="h")
    def handler(event: Event) -> None:
        runs.append(event.id)
        habit.act(shop)
        if failing[0] == "fails" or (failing[0] == "fails once" and runs.count(event.id) == 1):
            raise BrokenError

    written: list[str] = []
    for outcome in OUTCOMES:
        failing[0] = outcome
        event_id = f"evt_{outcome.replace(' ', '_')}"
        caplog.clear()
        with caplog.at_level(logging.WARNING):
            first = shop.deliver(event_id)
        fails = outcome != "succeeds" or habit.refused is not None
        if outcome == "succeeds" and habit.refused is not None:
            assert habit.refused in caplog.text
        if not fails:
            written += habit.written
        _check(shop, first, event_id, written, dispatch, fails=fails)

        second = shop.deliver_again(event_id)
        fails = outcome == "fails" or habit.refused is not None
        if outcome == "fails once" and not fails:
            written += habit.written
        _check(shop, second, event_id, written, dispatch, fails=fails)

        shop.deliver_again(event_id)
        assert sorted(shop.effects()) == sorted(written)


def _check(
    shop: Shop, status: int, event_id: str, written: list[str], dispatch: Dispatch, *, fails: bool
) -> None:
    assert sorted(shop.effects()) == sorted(written)
    if fails:
        assert shop.event_state(event_id) == ("failed" if dispatch == "inline" else "pending")
        assert status == (500 if dispatch == "inline" else 200)
    else:
        assert shop.event_state(event_id) == "done"
        assert status == 200
