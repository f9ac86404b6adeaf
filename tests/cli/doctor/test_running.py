from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from flask_paysafer.cli.doctor.findings import Finding, ok
from flask_paysafer.cli.doctor.patient import Patient
from flask_paysafer.cli.doctor.running import Check, Result, examine
from tests.cli.shop import SECRET, KitShop


@pytest.fixture
def patient(shop: KitShop) -> Patient:
    return Patient(shop.state)


def run(patient: Patient, *checks: Check, longest: float = 5) -> list[Result]:
    return examine(patient, checks, longest=longest)


def test_a_check_that_raises_is_a_finding_and_stops_no_other(patient: Patient) -> None:
    def raises(_: Patient) -> Iterator[Finding]:
        yield ok("This much is well.")
        raise LookupError("no such thing")

    found = run(patient, Check("bad", raises), Check("good", lambda _: iter([ok("Well.")])))

    assert [result.finding.level for result in found] == ["ok", "error", "ok"]
    assert found[1].finding.what == "The check 'bad' failed: LookupError: no such thing"


def test_a_check_that_hangs_is_a_finding(patient: Patient) -> None:
    released = threading.Event()

    def hangs(_: Patient) -> Iterator[Finding]:
        yield ok("This much is well.")
        released.wait(60)

    found = run(patient, Check("slow", hangs), longest=0.2)
    released.set()

    assert [result.finding.level for result in found] == ["ok", "error"]
    assert found[1].finding.what == "The check 'slow' got no answer in time."


def test_no_secret_comes_out(patient: Patient) -> None:
    def tells(_: Patient) -> Iterator[Finding]:
        yield Finding("error", f"It is {SECRET}.", why="sk_test_kitshop12", cure=SECRET)

    [result] = run(patient, Check("tells", tells))

    assert result.finding == Finding("error", "It is [secret].", why="[secret]", cure="[secret]")
