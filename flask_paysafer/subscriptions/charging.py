"""Charge a period: each try is an attempt of the checkout's machinery, with the customer absent.

The attempts of renewals are in the checkout's tables, under an account name of their own,
so that no order of the shop can have the same reference. The rules are the checkout's: an
attempt is stored before PaySafer is asked, one key and one body serve every try of it, and
only an answer that says so closes it.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from ..checkout import payments
from ..checkout.resolver import LONGEST_PAUSE, AttemptResolver
from ..errors import PaySaferError
from ..idempotency import idempotency_key
from ..inbox.attempts import Attempt
from .correlation import reference_of, subject_of
from .lifecycle import PeriodRecord, Record

if TYPE_CHECKING:
    from ..client import PaySaferClient
    from ..inbox.cards import CardStore
    from ..inbox.checkouts import CheckoutStore

logger = logging.getLogger(__name__)


class Outcome(NamedTuple):
    """What became of an attempt.

    ``paid`` and ``declined`` are final. ``unknown``: ask again with the same key.
    ``refused``: PaySafer did not accept the call, and no card was tried. ``void``: it ended
    without a charge or a decline, and another one may be made.
    """

    kind: Literal["paid", "declined", "unknown", "refused", "void"]
    attempt: int
    reason: str | None = None
    payment_id: str | None = None


class Charging:
    """Charges the periods of one account's subscriptions.

    :param attempts: The renewals' own part of the checkout's tables.
    :param key_life: Seconds for which PaySafer keeps an idempotency key, less a margin.
    :param mark: The installation id.
    """

    def __init__(
        self,
        client: PaySaferClient,
        attempts: CheckoutStore,
        cards: CardStore,
        *,
        deadline: float,
        key_life: float,
        mark: str,
    ) -> None:
        self._client = client
        self._attempts = attempts
        self._cards = cards
        self._mark = mark
        self._resolver = AttemptResolver(
            client, attempts, deadline=deadline, cards=cards, key_life=key_life
        )

    def charge(self, record: Record, period: PeriodRecord) -> Outcome:
        """Charge the saved card for the period, or find out what became of the last try."""
        pending = self.pending(record, period)
        if pending is not None:
            return pending
        if self._cards.is_removed(record.customer, record.payment_method):
            return Outcome("declined", period.attempts, "card_removed")
        if not self._is_free(record, period):
            return Outcome("unknown", period.attempts)
        attempt = self._new_attempt(record, period)
        if not self._attempts.begin(attempt, lease=self._resolver.lease):
            return Outcome("unknown", attempt.number)
        begun = self._resolver.reread(attempt)
        self._resolver.ask(begun, is_first=True)
        return self._outcome(self._resolver.reread(begun))

    def _is_free(self, record: Record, period: PeriodRecord) -> bool:
        # A declined payment can be confirmed once more: it is cancelled before the next try.
        current = self._attempts.current(reference_of(record.reference, period.number))
        if current is not None and current.state == "failed":
            current = self._resolver.abandon(current, failure="canceled")
        return current is None or current.is_closed

    def pending(self, record: Record, period: PeriodRecord) -> Outcome | None:
        """Return what became of an attempt that the period does not count yet, if there is one."""
        current = self._uncounted(record, period)
        if current is None:
            return None
        return self._outcome(self._resolver.settle(current, early=LONGEST_PAUSE))

    def _uncounted(self, record: Record, period: PeriodRecord) -> Attempt | None:
        reference = reference_of(record.reference, period.number)
        current = self._attempts.current(reference)
        if current is None or not current.is_over:
            return current
        # Declines on the payment link's page, where the customer is, use up no retry.
        is_counted = current.number <= period.attempts or current.key != _key(
            current.shop, reference, current.number
        )
        return None if is_counted else current

    def give_up(self, record: Record, period: PeriodRecord) -> Outcome | None:
        """End an attempt without a known outcome; it may prove to be paid after all."""
        current = self._uncounted(record, period)
        if current is None:
            return None
        if not current.is_over and not current.is_final:
            current = self._resolver.abandon(current, failure="canceled")
        return self._outcome(current)

    def paid_by_link(self, record: Record, period: PeriodRecord) -> Outcome | None:
        """Return the payment that a customer made on the period's page, if it has succeeded."""
        current = self._attempts.current(reference_of(record.reference, period.number))
        if current is None or current.state != "succeeded":
            return None
        return self._outcome(current)

    def card_of_link(self, record: Record, period: PeriodRecord) -> str | None:
        """Return the card that a customer paid with on the period's page.

        :returns: None if it is not paid; ``""`` for a card that is not to be charged again.
        """
        outcome = self.paid_by_link(record, period)
        if outcome is None or outcome.payment_id is None:
            return None
        try:
            paid = self._client.payments.retrieve(outcome.payment_id)
        except PaySaferError:
            logger.warning("The card of payment %s can't be looked up.", outcome.payment_id)
            return ""
        kept = {card.payment_method for card in self._cards.list(record.customer)}
        return paid.payment_method if paid.payment_method in kept else ""

    def note(self, payment: Any) -> bool:
        """Note what a webhook says of a renewal's payment; True if it was one of ours."""
        reference, number = payments.reference_of(payment), payments.number_of(payment)
        if reference is None or number is None:
            return False
        attempt = self._attempts.attempt(reference, number)
        if attempt is None or not payments.is_of(payment, attempt):
            return False
        if payment.get("status") == "succeeded":
            self._resolver.note(attempt, payment)
        elif not attempt.is_final:
            self._attempts.note_payment_id(attempt, payment["id"])
        return True

    def _new_attempt(self, record: Record, period: PeriodRecord) -> Attempt:
        if period.amount is None:
            raise ValueError("A period is charged after its plan was asked.")
        reference = reference_of(record.reference, period.number)
        current = self._attempts.current(reference)
        number = 1 if current is None else current.number + 1
        shop = self._attempts.shop_of(reference, default=self._mark)
        request = {
            "amount": period.amount.amount,
            "currency": period.amount.currency,
            "payment_method": record.payment_method,
            "customer": record.customer,
            "metadata": {
                **period.metadata,
                **payments.correlation_metadata(shop, reference, number),
                **subject_of(reference),
            },
            "off_session": True,
        }
        if period.description:
            request["description"] = period.description
        return Attempt(
            reference=reference,
            number=number,
            shop=shop,
            key=_key(shop, reference, number),
            money=period.amount,
            manual_capture=False,
            state="asked",
            request=request,
        )

    def _outcome(self, attempt: Attempt) -> Outcome:
        if attempt.state == "succeeded":
            return Outcome("paid", attempt.number, None, attempt.payment_id)
        if attempt.state == "requires_action":
            # The bank wants the customer, who is not there: nothing may be left to confirm.
            ended = self._resolver.abandon(attempt, failure="authentication_required")
            return self._outcome(ended) if ended.is_final else Outcome("unknown", attempt.number)
        if not attempt.is_over:
            return Outcome("unknown", attempt.number, attempt.state, attempt.payment_id)
        if attempt.state == "rejected" and attempt.failure == "unavailable":
            return Outcome("refused", attempt.number, attempt.failure)
        if attempt.failure == "canceled":
            return Outcome("void", attempt.number)
        reason = attempt.failure or "card_declined"
        return Outcome("declined", attempt.number, reason, attempt.payment_id)


def _key(shop: str, reference: str, number: int) -> str:
    """Return the idempotency key of a renewal's attempt; those made on a page have others."""
    return idempotency_key("renewal", shop, reference, "attempt", number)
