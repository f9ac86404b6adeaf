"""Read what the commands are given: lengths of time, moments and addresses."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import SplitResult, urlsplit

import click

from ..errors import ConfigurationError
from ..keys import is_loopback
from ..state import AppState
from ..webhooks.rehearsal import webhook_address

_AGE = re.compile(r"(\d+)\s*([smhdw])")
_LONGEST = timedelta(days=50 * 365)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class Age(click.ParamType):  # type: ignore[type-arg]  # generic in newer releases alone
    """A length of time: ``90d``, ``48h``, ``15m``; a number alone is days."""

    name = "age"

    def convert(self, value: Any, param: Any, ctx: Any) -> timedelta:
        """Return the length of time."""
        if isinstance(value, timedelta):
            return value
        match = _AGE.fullmatch(f"{value}d" if value.isdecimal() else value)
        if match is None:
            self.fail("write a number and a unit, such as 90d, 48h or 15m.", param, ctx)
        try:
            return timedelta(**{_UNITS[match[2]]: int(match[1])})
        except OverflowError:
            self.fail("that is too long.", param, ctx)


class Moment(click.ParamType):  # type: ignore[type-arg]  # as above
    """A moment: an age before now (``2h``), or an ISO date or time, UTC unless it says."""

    name = "moment"

    def convert(self, value: Any, param: Any, ctx: Any) -> datetime:
        """Return the moment, aware."""
        if isinstance(value, datetime):
            return value
        if _AGE.fullmatch(value):
            age = min(AGE.convert(value, param, ctx), _LONGEST)
            return datetime.now(UTC) - age
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail("write an age such as 2h, or a time such as 2026-01-31T12:00.", param, ctx)
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


AGE = Age()
MOMENT = Moment()


def as_ms(moment: datetime | None) -> int | None:
    """Return UTC milliseconds."""
    return None if moment is None else round(moment.timestamp() * 1000)


def shown(milliseconds: int | None) -> str:
    """Return a moment for people, with its zone."""
    if milliseconds is None:
        return "–"
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def webhook_path(state: AppState) -> str:
    """Return the path of the webhook route within the app."""
    return f"{state.config.url_prefix}/webhook"


def webhook_url(state: AppState, given: str | None = None) -> str:
    """Return the webhook's whole address.

    :param given: The address, or only the site's (``https://shop.example``). None: made
        from the app's ``SERVER_NAME`` and ``PREFERRED_URL_SCHEME``.
    :raises ConfigurationError: if the address is not known, or can't be one.
    """
    if given is not None:
        return _completed(given, state)
    known = known_webhook_url(state)
    if known is None:
        raise ConfigurationError(
            "This app does not know its own address. Pass it with --url https://shop.example, "
            "or set SERVER_NAME."
        )
    return known


def known_webhook_url(state: AppState) -> str | None:
    """Return the webhook's address as the app's settings tell it, or None."""
    if not state.app.config.get("SERVER_NAME"):
        return None
    parts = urlsplit(webhook_address(state.app, state.config))
    root = (state.app.config.get("APPLICATION_ROOT") or "/").rstrip("/")
    return parts._replace(path=root + parts.path).geturl()


def _completed(given: str, state: AppState) -> str:
    parts = _parts_of(given)
    if parts is None:
        raise ConfigurationError(
            f"{given!r:.200} is no address. Write it like https://shop.example or "
            f"https://shop.example{webhook_path(state)}."
        )
    path = parts.path if parts.path.strip("/") else webhook_path(state)
    return parts._replace(path=path, fragment="").geturl()


def _parts_of(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        is_address = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return None
    return parts if is_address and url.isprintable() and " " not in url else None


def is_local(url: str) -> bool:
    """Whether the address is of this machine, so that only a local PaySafer can reach it."""
    return is_loopback(urlsplit(url).hostname or "")
