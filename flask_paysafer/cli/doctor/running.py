"""Run the checks: none hangs, none crashes, none tells a secret."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple
from urllib.parse import urlsplit

from ...redaction import redact
from .findings import Finding, error
from .patient import Patient

LONGEST = 20.0
"""Seconds after which nobody waits for a check any more."""

Look = Callable[[Patient], Iterator[Finding]]


class Check(NamedTuple):
    """A check and the name it goes by."""

    name: str
    look: Look


class Result(NamedTuple):
    """What one check found."""

    account: str
    check: str
    finding: Finding


def examine(patient: Patient, checks: Sequence[Check], *, longest: float = LONGEST) -> list[Result]:
    """Run all checks side by side, and return what they find in their order."""
    ends = time.monotonic() + longest
    runs = [_Run(patient, check) for check in checks]
    for run in runs:
        run.start()
    hide = _Hider(patient)
    return [
        Result(patient.config.name, run.check.name, hide(finding))
        for run in runs
        for finding in run.findings_by(ends)
    ]


class _Run(threading.Thread):
    """One check in a thread of its own, for what hangs can't be stopped but can be left."""

    def __init__(self, patient: Patient, check: Check) -> None:
        super().__init__(name=f"doctor-{check.name}", daemon=True)
        self.check = check
        self._patient = patient
        self._found: list[Finding] = []

    def run(self) -> None:
        try:
            with self._patient.state.app.app_context():
                self._found.extend(self.check.look(self._patient))
        except Exception as failure:  # noqa: BLE001 (a check that fails is itself a finding)
            self._found.append(_crash(self.check, failure))

    def findings_by(self, ends: float) -> list[Finding]:
        """Return what is found until then."""
        self.join(max(0.0, ends - time.monotonic()))
        found = list(self._found)
        return [*found, _hang(self.check)] if self.is_alive() else found


def _crash(check: Check, failure: Exception) -> Finding:
    return error(
        f"The check {check.name!r} failed: {type(failure).__name__}: {redact(str(failure))}",
        why="What it looks at is in no state that it knows.",
        cure="See to what the message says; if it says nothing to you, report it as a bug.",
    )


def _hang(check: Check) -> Finding:
    return error(
        f"The check {check.name!r} got no answer in time.",
        why="What it asks hangs, and so would the shop's requests.",
        cure="See whether the server it asks is up, and reachable from this machine.",
    )


class _Hider:
    """Takes the account's secrets out of whatever a check says."""

    def __init__(self, patient: Patient) -> None:
        config, app = patient.config, patient.state.app
        values = [
            config.secret_key,
            config.publishable_key,
            *config.webhook_secrets,
            *config.inbox_encryption_keys,
            app.secret_key,
            _password(config.inbox_url),
            *(_password(url) for url in _database_urls(app.config)),
        ]
        texts = {value for value in values if isinstance(value, str) and len(value) >= 4}
        self._secrets = sorted(texts, key=len, reverse=True)

    def __call__(self, finding: Finding) -> Finding:
        return replace(
            finding,
            what=self._hide(finding.what),
            why=self._hide(finding.why),
            cure=self._hide(finding.cure),
        )

    def _hide(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "[secret]")
        return text


def _database_urls(settings: dict[str, object]) -> Iterator[object]:
    yield settings.get("SQLALCHEMY_DATABASE_URI")
    engines = settings.get("SQLALCHEMY_ENGINES")
    yield from engines.values() if isinstance(engines, dict) else ()


def _password(url: object) -> str | None:
    try:
        return urlsplit(url).password if isinstance(url, str) else None
    except ValueError:
        return None
