"""What happens to a delivery's bytes: verify, read, store, dispatch.

The order is the point. Nothing is parsed before it is known to be PaySafer's,
nothing runs before it is stored, and every way to fail leads to an answer that
makes PaySafer do the right thing: come again, or not.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Protocol

from flask import Flask

from .. import signals, signing
from ..config import Config
from ..errors import InvalidPayloadError, SignatureVerificationError
from ..inbox.errors import InboxUnavailableError
from ..inbox.records import Recorded
from ..resources import Event
from .answers import INVALID_SIGNATURE, Answer, Refusal, come_again, received
from .jobs import tell_observers
from .results import DispatchResult

logger = logging.getLogger(__name__)


class EventStore(Protocol):
    """What the intake needs of the inbox."""

    def record(
        self, event: Event, payload: bytes, *, verified_with: str | None, ignored: str | None = None
    ) -> Recorded:
        """Store the event once and say what is known of it."""

    def quarantine(
        self,
        payload: bytes,
        *,
        reason: str,
        event_id: str | None = None,
        verified_with: str | None = None,
    ) -> None:
        """Keep an authentic body aside."""


class EventDispatcher(Protocol):
    """What the intake needs of whoever runs handlers."""

    def wants(self, event: Event) -> bool:
        """Whether anything is to be done about the event."""

    def dispatch(self, recorded: Recorded, event: Event) -> DispatchResult:
        """Do it, or see to it that it is done."""


class WebhookIntake:
    """Takes one extension's deliveries in one app.

    :param inbox: Returns the inbox; called with the first authentic delivery, so that
        no database is opened before.
    :param dispatcher: Returns whoever runs the handlers; called as late.
    :param sender: The app, for signals.
    :param watch: Told of each new event before its handlers run; like an observer, it
        can't change the answer.
    """

    def __init__(
        self,
        config: Config,
        inbox: Callable[[], EventStore],
        dispatcher: Callable[[], EventDispatcher],
        sender: Flask,
        *,
        watch: Callable[[Event], None] | None = None,
    ) -> None:
        self.config = config
        self.sender = sender
        self._inbox = inbox
        self._dispatcher = dispatcher
        self._watch = watch
        self._scheme = signing.get_scheme(config.signature_scheme)
        self._labels = tuple(signing.fingerprint(one) for one in config.webhook_secrets)

    def receive(self, body: bytes, signature: str | None, *, now: float) -> Answer:
        """Return the answer to a delivery of ``body``, after all that it asks for is done.

        :param signature: The signature header as it came.
        :param now: Unix seconds.
        """
        try:
            verified_with = self._verify(body, signature, now)
        except SignatureVerificationError as error:
            return self.refuse(self._not_authentic(error))
        try:
            return self._take(body, verified_with)
        except InboxUnavailableError as error:
            return self._unavailable(error)

    def refuse(self, refusal: Refusal) -> Answer:
        """Log and signal why a delivery is refused, and return the answer."""
        reason = printable(refusal.reason)
        status = refusal.answer.status
        logger.warning("Webhook refused (%d): %s. %s", status, reason, refusal.cure)
        tell_observers(signals.webhook_rejected, self.sender, reason=reason, status=status)
        return refusal.answer

    def _unavailable(self, error: InboxUnavailableError) -> Answer:
        logger.error("A delivery could not be stored (503): %s", printable(str(error)))
        return come_again(503, "The event could not be stored; deliver it again")

    def _verify(self, body: bytes, signature: str | None, now: float) -> str:
        secrets, tolerance = self.config.webhook_secrets, self.config.webhook_tolerance
        index = self._scheme.verify(body, signature, secrets, now=now, tolerance=tolerance)
        return self._labels[index]

    def _not_authentic(self, error: SignatureVerificationError) -> Refusal:
        cure = _CURES.get(error.code or "", "").format(
            header=signing.HEADER,
            secret=self.config.setting("WEBHOOK_SECRET"),
            scheme=self.config.setting("SIGNATURE_SCHEME"),
            tolerance=self.config.setting("WEBHOOK_TOLERANCE"),
        )
        return Refusal(Answer(400, INVALID_SIGNATURE), error.message, cure)

    def _take(self, body: bytes, verified_with: str) -> Answer:
        try:
            event = Event.from_json(body)
            ignored = self._reason_to_ignore(event)
            recorded = self._inbox().record(
                event, body, verified_with=verified_with, ignored=ignored
            )
        except InvalidPayloadError as error:
            return self._set_aside(body, error, verified_with)
        if recorded.is_new and recorded.state == "ignored":
            tell_observers(signals.event_received, self.sender, event=event)
        if recorded.is_new and self._watch is not None:
            self._show(event, self._watch)
        if recorded.conflict:
            return received(quarantined=True)
        return _ANSWERS_BY_STATE.get(recorded.state) or self._dispatch(recorded, event)

    @staticmethod
    def _show(event: Event, watch: Callable[[Event], None]) -> None:
        try:
            watch(event)
        except Exception:
            logger.exception("Event %s could not be noted in its checkout.", event.id)

    def _reason_to_ignore(self, event: Event) -> str | None:
        keys = self.config.livemode
        if keys is not None and event.livemode is not None and keys != event.livemode:
            return f"{_mode(event.livemode)} event, {_mode(keys)} key"
        return None if self._dispatcher().wants(event) else "no handler"

    def _set_aside(self, body: bytes, error: InvalidPayloadError, verified_with: str) -> Answer:
        self._inbox().quarantine(body, reason=printable(str(error)), verified_with=verified_with)
        cure = "The body is kept in quarantine: flask paysafer events list --state quarantined."
        return self.refuse(Refusal(Answer(400, "Invalid payload"), str(error), cure))

    def _dispatch(self, recorded: Recorded, event: Event) -> Answer:
        result = self._dispatcher().dispatch(recorded, event)
        if result == "busy" and self.config.dispatch == "inline":
            return come_again(409, "Another worker is handling this event")
        if result == "failed":
            return Answer(500, {"error": "A handler failed; deliver the event again"})
        return received()


_ANSWERS_BY_STATE: dict[str, Answer] = {
    "done": received(duplicate=True),
    "ignored": received(ignored=True),
    "quarantined": received(quarantined=True),
}
"""What needs no handler any more: a person may still replay what is ignored or set aside."""

_CURES = {
    "signature_missing": (
        "Deliveries carry {header}, made with {secret}; see whether a proxy drops it."
    ),
    "header_malformed": (
        "It is made with {secret}; if PaySafer signs in another form, {scheme} can be set to it."
    ),
    "timestamp_too_old": "Check this machine's clock; {tolerance} sets how old a delivery may be.",
    "timestamp_in_future": (
        "Check this machine's clock; {tolerance} is for old deliveries and allows no later ones."
    ),
    "signature_mismatch": (
        "Check that {secret} is the signing secret of this very endpoint and mode, and that "
        "nothing changes the body on its way."
    ),
    "secret_unusable": "Check {secret}.",
    "check_unusable": "Check {tolerance} and {scheme}.",
}
"""What to look at, by the code of the error."""


def _mode(livemode: bool) -> str:
    return "live" if livemode else "test"


def printable(text: str) -> str:
    """Return ``text`` as one short line, so that nothing can forge a line of the log."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)[
        :300
    ]
