from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from flask_paysafer.cli.doctor.checking import Check, CheckContext, Finding, Result, examine, ok
from tests.cli.shop import SECRET, KitShop


@pytest.fixture
def context(shop: KitShop) -> CheckContext:
    return CheckContext(shop.state)


def run(context: CheckContext, *checks: Check, longest: float = 5) -> list[Result]:
    return examine(context, checks, longest=longest)


def test_a_check_that_raises_is_a_finding_and_stops_no_other(context: CheckContext) -> None:
    def raises(_: CheckContext) -> Iterator[Finding]:
        yield ok("This much is well.")
        raise LookupError("no such thing")

    found = run(context, Check("bad", raises), Check("good", lambda _: iter([ok("Well.")])))

    assert [result.finding.level for result in found] == ["ok", "error", "ok"]
    assert found[1].finding.what == "The check 'bad' failed: LookupError: no such thing"


def test_a_check_that_hangs_is_a_finding(context: CheckContext) -> None:
    released = threading.Event()

    def hangs(_: CheckContext) -> Iterator[Finding]:
        yield ok("This much is well.")
        released.wait(60)

    found = run(context, Check("slow", hangs), longest=0.2)
    released.set()

    assert [result.finding.level for result in found] == ["ok", "error"]
    assert found[1].finding.what == "The check 'slow' got no answer in time."


def test_no_secret_comes_out(context: CheckContext) -> None:
    def tells(_: CheckContext) -> Iterator[Finding]:
        yield Finding("error", f"It is {SECRET}.", reason="sk_test_kitshop12", hint=SECRET)

    [result] = run(context, Check("tells", tells))

    assert result.finding == Finding("error", "It is [secret].", reason="[secret]", hint="[secret]")
