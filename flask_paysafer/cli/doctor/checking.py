"""What a check gets, what it finds, and how checks are run: none hangs, none crashes, none
prints a secret."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, NamedTuple
from urllib.parse import urlsplit

from ...client import PaySaferClient
from ...config import Config
from ...events import EVENT_TYPES
from ...keys import is_loopback
from ...redaction import redact
from ...state import AppState
from ..arguments import known_webhook_url, webhook_path, webhook_url

Level = Literal["error", "warning", "note", "ok"]
"""``error``: payments or events go wrong. ``warning``: they may. ``note``: good to know."""

LEVELS: tuple[Level, ...] = ("error", "warning", "note", "ok")


@dataclass(frozen=True)
class Finding:
    """One thing that is as it should be, or isn't."""

    level: Level
    what: str
    """What is found, naming the setting or the thing."""
    reason: str = ""
    """Why it matters."""
    hint: str = ""
    """What exactly to do."""


def error(what: str, *, reason: str, hint: str) -> Finding:
    """Return a finding that stops payments or loses events."""
    return Finding("error", what, reason, hint)


def warning(what: str, *, reason: str, hint: str) -> Finding:
    """Return a finding that may come to harm."""
    return Finding("warning", what, reason, hint)


def note(what: str, *, reason: str = "", hint: str = "") -> Finding:
    """Return something that is good to know."""
    return Finding("note", what, reason, hint)


def ok(what: str) -> Finding:
    """Return something that is as it should be."""
    return Finding("ok", what)


BOUND = 8.0
"""Seconds that any one look at the network may take."""


@dataclass
class CheckContext:
    """One account, and what is known of how it is reached."""

    state: AppState
    is_offline: bool = False
    """Nothing outside of this machine's files and databases is asked."""
    given_url: str | None = None
    wall: Callable[[], float] = time.time

    @property
    def config(self) -> Config:
        """The account's settings."""
        return self.state.config

    def setting(self, suffix: str) -> str:
        """Return a setting's full name."""
        return self.config.setting(suffix)

    @cached_property
    def client(self) -> PaySaferClient:
        """The API client, which gives up soon."""
        return self.state.client.with_options(timeout=BOUND / 2, deadline=BOUND, max_retries=0)

    @property
    def asks_api(self) -> bool:
        """Whether the API can be asked."""
        return self.config.secret_key is not None and not self.is_offline

    @property
    def is_local(self) -> bool:
        """Whether the API is the local PaySafer."""
        host = self.config.api_base.split("://")[1].partition("/")[0]
        return is_loopback(host.rsplit(":", 1)[0].strip("[]"))

    @property
    def path(self) -> str:
        """The webhook's path."""
        return webhook_path(self.state)

    @property
    def url(self) -> str | None:
        """The webhook's address, as far as it is known here."""
        if self.given_url is not None:
            return webhook_url(self.state, self.given_url)
        return known_webhook_url(self.state)

    @property
    def has_checkout(self) -> bool:
        """Whether the shop sells through the checkout."""
        return self.state.registrations.order_loader is not None

    def handled_types(self) -> list[str]:
        """Return the documented types that a handler or receiver is for."""
        wants = self.state.event_run.jobs.wants
        return [kind for kind in EVENT_TYPES if wants(kind)]


LONGEST = 20.0
"""Seconds after which a check is given up."""

Look = Callable[[CheckContext], Iterator[Finding]]


class Check(NamedTuple):
    """A check and the name it goes by."""

    name: str
    look: Look


class Result(NamedTuple):
    """What one check found."""

    account: str
    check: str
    finding: Finding


def examine(
    context: CheckContext, checks: Sequence[Check], *, longest: float = LONGEST
) -> list[Result]:
    """Run all checks side by side, and return what they find in their order."""
    ends = time.monotonic() + longest
    runs = [_Run(context, check) for check in checks]
    for run in runs:
        run.start()
    hide = _Hider(context)
    return [
        Result(context.config.name, run.check.name, hide(finding))
        for run in runs
        for finding in run.findings_by(ends)
    ]


class _Run(threading.Thread):
    """One check in a thread of its own, for what hangs can't be stopped but can be left."""

    def __init__(self, context: CheckContext, check: Check) -> None:
        super().__init__(name=f"doctor-{check.name}", daemon=True)
        self.check = check
        self._patient = context
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
        reason="What it looks at is in no state that it knows.",
        hint="See to what the message says; if it says nothing to you, report it as a bug.",
    )


def _hang(check: Check) -> Finding:
    return error(
        f"The check {check.name!r} got no answer in time.",
        reason="What it asks hangs, and so would the shop's requests.",
        hint="See whether the server it asks is up, and reachable from this machine.",
    )


class _Hider:
    """Takes the account's secrets out of all that a check says."""

    def __init__(self, context: CheckContext) -> None:
        config, app = context.config, context.state.app
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
            reason=self._hide(finding.reason),
            hint=self._hide(finding.hint),
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
