"""Whether the API answers, takes the key, and agrees about the time."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from ....errors import APIConnectionError, AuthenticationError, PaySaferError
from ..findings import Finding, error, note, ok, warning
from ..patient import BOUND, Patient

_FUTURE = 60
"""Seconds that a signature may be ahead of this machine's clock before it is refused."""
_GRAIN = 1
"""Seconds: ``Date`` tells no finer time."""


def check_api(patient: Patient) -> Iterator[Finding]:
    """Yield what the API says."""
    if not patient.asks_api:
        yield note(
            "The API was not asked.", cure="" if patient.is_offline else "Set the keys first."
        )
        return
    yield _key(patient)
    yield from _clock(patient)


def _key(patient: Patient) -> Finding:
    base = patient.setting("API_BASE")
    try:
        patient.client.payments.list(limit=1)
    except AuthenticationError:
        return error(
            f"PaySafer refuses the key in {patient.setting('SECRET_KEY')}.",
            why="Every call fails: nobody can pay.",
            cure="It was revoked, mistyped, or is limited to other addresses than this machine's: "
            "copy a fresh one from the Dashboard.",
        )
    except APIConnectionError as failure:
        hint = (
            "Start it with `paysafer-sandbox`"
            if patient.is_local
            else "See whether this machine may connect to it: firewall, proxy, DNS"
        )
        return error(
            f"The API at {patient.config.api_base} can't be reached: {failure.message}",
            why="Nobody can pay.",
            cure=f"{hint}; the address is set by {base}.",
        )
    except PaySaferError as failure:
        return error(
            f"The API at {patient.config.api_base} answers with an error: {failure.message}",
            why="Nobody can pay while it lasts.",
            cure=f"Check that {base} ends in /v1; else see PaySafer's status page.",
        )
    return ok(f"The API at {patient.config.api_base} answers and takes the key.")


def _clock(patient: Patient) -> Iterator[Finding]:
    ahead = _seconds_ahead(patient)
    if ahead is None:
        return
    text = f"This machine's clock is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'}"
    cure = "Let a time service (NTP) keep the clock."
    if ahead < -_FUTURE or ahead > patient.config.webhook_tolerance + _GRAIN:
        yield error(
            f"{text} PaySafer's.", why="Every delivery is refused as too old or too new.", cure=cure
        )
    elif abs(ahead) > _FUTURE / 4:
        yield warning(
            f"{text} PaySafer's.", why="Deliveries will be refused if it drifts further.", cure=cure
        )
    else:
        yield ok("This machine's clock agrees with PaySafer's.")


def _seconds_ahead(patient: Patient) -> float | None:
    """Return how far our clock is ahead of the API's ``Date``, asked without a key."""
    parts = urlsplit(patient.config.api_base)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=BOUND / 2)
    try:
        connection.request("GET", f"{parts.path}/payments")
        date = connection.getresponse().headers.get("Date", "")
        return patient.wall() - parsedate_to_datetime(date).timestamp()
    except (OSError, http.client.HTTPException, ValueError, TypeError):
        return None
    finally:
        connection.close()
