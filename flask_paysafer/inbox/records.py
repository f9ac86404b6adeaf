"""The values that go in and out of the inbox. No SQLAlchemy here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, NamedTuple

from ..errors import PayloadUnreadableError
from ..events import Event
from ..profile import ApiProfile

State = Literal["pending", "processing", "done", "failed", "ignored", "quarantined", "pruned"]
"""The states of an event; :mod:`.events` draws how one leads to another.

- ``pending``: stored, to be handled (again) when it is due
- ``processing``: a worker holds it until its lease runs out
- ``done``: every handler is done
- ``failed``: a handler failed; inline, the next delivery tries again; with Celery,
  its attempts are used up
- ``ignored``: no handler wants it, or it is of the other mode; can be replayed
- ``quarantined``: set aside for an operator: not an event, other content under a known
  id, or put here by an operator
- ``pruned``: finished and emptied; its id is kept, so that it is not handled again
"""

STATES: tuple[State, ...] = (
    "pending",
    "processing",
    "done",
    "failed",
    "ignored",
    "quarantined",
    "pruned",
)

DUE: tuple[State, ...] = ("pending", "processing")
"""Events that are to be handled at a known time."""

STOPPED: tuple[State, ...] = ("failed", "quarantined")
"""Events that need an operator, or to be delivered again."""


def is_settled(state: State | None) -> bool:
    """Whether nothing is left to do for an event in this state; None: it was deleted."""
    return state in (None, "done", "quarantined", "pruned")


class Claim(NamedTuple):
    """The right to handle one event until the lease runs out."""

    key: int
    fence: int
    """Grows with every claim of the row: an older claim can't finish a newer one's work."""
    attempt: int
    """How often this event was claimed since it came in or was replayed, from 1."""
    is_replay_lock: bool = False
    """Whether it is for one handler alone, which may be done with the event already."""

    @property
    def is_first(self) -> bool:
        """Whether the event was never claimed before, so that no handler can be done."""
        return self.fence == 1


class Recorded(NamedTuple):
    """What the inbox knows of a delivery once it is stored."""

    key: int
    event_id: str
    state: State
    is_new: bool
    conflict: bool = False
    """The same id was stored with other content; this copy was quarantined."""
    claim: Claim | None = None
    """The claim that came with storing it, where events are handled at once."""


class Stored(NamedTuple):
    """One claimed event as it is stored."""

    claim: Claim
    account: str
    event_id: str
    payload: bytes | None
    """None where no key that is set can decrypt it."""
    local: bool = False
    """Whether it was written here and not received."""

    def read(self, profile: ApiProfile) -> Event:
        """Return the event in the payload.

        :param profile: Whose words it is in, unless it was written here.
        :raises InvalidPayloadError: if it is none.
        :raises PayloadUnreadableError: if no key that is set can decrypt it.
        """
        if self.payload is None:
            raise PayloadUnreadableError(
                "The payload is encrypted with a key that is not among those set. It is kept as "
                "it is: set the key again, behind the present one, and replay the event"
            )
        event = Event.from_json(self.payload, None if self.local else profile)
        event.set_origin(self.account, local=self.local)
        return event


def object_id_of(event: Event) -> str | None:
    """Return the id of the event's object, if it is one that every database can hold."""
    return printable_id(event.data.get("id"))


def printable_id(found: object) -> str | None:
    """Return an id as every database can hold it, or None."""
    return found[:255] if isinstance(found, str) and found.isprintable() else None


def amount_refunded_in(event: Event) -> int | None:
    """Return the sum that a ``payment.refunded`` says was given back by then, in minor units."""
    if event.type != "payment.refunded":
        return None
    amount = getattr(event.data, "amount_refunded", None)
    return amount if type(amount) is int and 0 < amount < 2**63 else None


class Failure(NamedTuple):
    """One handler's failed attempt, as it is to be stored."""

    handler: str
    error: str


class Mark(NamedTuple):
    """One handler's place for one object, and the event that asks for it."""

    handler: str
    object_id: str
    created: int
    event_key: int


@dataclass(frozen=True, kw_only=True)
class SavedCard:
    """A card that a customer may pay with again."""

    payment_method: str
    """PaySafer's name for it, ``pm_…``."""
    brand: str | None
    last4: str | None
    exp_month: int | None
    exp_year: int | None
    consent: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """What the customer agreed to: ``at`` (unix seconds), ``page``, ``words`` and ``locale``."""
    now: datetime = field(repr=False, compare=False)

    @property
    def expired(self) -> bool:
        """Whether the card's last month is over, in UTC."""
        if self.exp_month is None or self.exp_year is None:
            return False
        return (self.exp_year, self.exp_month) < (self.now.year, self.now.month)
