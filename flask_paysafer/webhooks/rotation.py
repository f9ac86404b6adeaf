"""Tell which webhook secrets are in use, so that an old one is dropped when it is safe."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Literal, NamedTuple

from .. import signing
from ..config import Config
from ..inbox.store import Inbox

QUIET = timedelta(hours=48)
"""How long a secret must have verified nothing: PaySafer retries for 34 h 36 min."""

Verdict = Literal["in use", "unused", "droppable"]
"""``in use``: keep it. ``unused``: it has verified nothing, so it is new or a mistake.
``droppable``: another has taken over, and this one was quiet for longer than PaySafer retries."""


class SecretUse(NamedTuple):
    """What is known of one of the configured secrets."""

    position: int
    """Its place in the setting, from 1."""
    fingerprint: str
    last_used_at: datetime | None
    """When a delivery was last verified with it; UTC."""
    verdict: Verdict


def secret_uses(config: Config, inbox: Inbox, *, now: datetime) -> list[SecretUse]:
    """Return the use of each configured secret, in the setting's order.

    Reads the whole inbox: for a person who asks, not for every request.

    :raises InboxUnavailableError: if the database can't be used.
    """
    last = last_uses(inbox)
    labels = [signing.fingerprint(secret) for secret in config.webhook_secrets]
    newest = max((last[label] for label in labels if label in last), default=None)
    return [
        SecretUse(place, label, last.get(label), _judge(last.get(label), newest, now))
        for place, label in enumerate(labels, start=1)
    ]


def _judge(used: datetime | None, newest: datetime | None, now: datetime) -> Verdict:
    if used is None or newest is None:
        return "unused"
    return "droppable" if used < newest and now - used > QUIET else "in use"


def last_uses(inbox: Inbox) -> dict[str, datetime]:
    """Return when a delivery was last verified, by the secret's fingerprint; UTC."""
    from sqlalchemy import func, select

    event, delivery = inbox.database.tables.event, inbox.database.tables.delivery
    first = (
        select(event.c.verified_with, func.max(event.c.received_at))
        .where(event.c.account == inbox.account)
        .group_by(event.c.verified_with)
    )
    again = (
        select(delivery.c.verified_with, func.max(delivery.c.delivered_at))
        .join(event, event.c.key == delivery.c.event_key)
        .where(event.c.account == inbox.account)
        .group_by(delivery.c.verified_with)
    )
    with inbox.database.connected() as connection:
        rows = [*connection.execute(first), *connection.execute(again)]
    uses: dict[str, datetime] = {}
    for label, moment in rows:
        if label is not None:
            at = datetime.fromtimestamp(moment / 1000, UTC)
            uses[label] = max(at, uses.get(label, at))
    return uses
