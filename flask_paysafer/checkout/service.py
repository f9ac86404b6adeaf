"""The checkout's decisions: may this order be paid now, and what became of it.

No HTTP here: the views ask, the CLI and the webhook side may ask too. The customer's browser
is believed in nothing but which payment method to try.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from flask import Flask, Request

from .. import signals
from ..config import Config
from ..errors import (
    ConfigurationError,
    InboxUnavailableError,
    OrderClosedError,
    PaySaferError,
    TooManyAttemptsError,
)
from ..events import Event
from ..hosts import made_up_request
from ..inbox.attempts import Attempt, OrderRecord
from ..inbox.errors import is_unfit_value
from .orders import CheckoutOrder
from .payments import (
    FULFILLING,
    attempt_key,
    creation,
    installation_id,
    installation_of,
    is_of,
    number_of,
    reference_of,
    refuse_second_payment,
    subject_of,
    verified_order,
)
from .phases import CheckoutState, has_expired, state_of
from .resolver import PAUSE, AttemptResolver

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from ..client import PaySaferClient
    from ..inbox.cards import CardStore
    from ..inbox.checkouts import CheckoutStore

logger = logging.getLogger(__name__)

OrderLoader = Callable[[str], CheckoutOrder | None]
BeforePayment = Callable[[str, CheckoutOrder, Request], object]

CANCELLABLE = frozenset({"requires_payment_method", "requires_confirmation", "requires_action"})

DECLINES_WINDOW = 3600.0
"""Seconds in which ``PAYSAFER_MAX_DECLINES`` are counted."""

NO_CARD_TRIED = frozenset(
    {"card_unusable", "unavailable", "restarted", "changed", "canceled", "expired", "closed"}
)
"""Why an attempt ended without a bank having said no."""


class NotFreeYetError(PaySaferError):
    """A former payment could not be cancelled yet, so no new one may begin."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What the customer's form asks for."""

    payment_method: str
    return_url: str
    consent: str | None = None
    """Why the card may be kept: ``ask`` (the customer ticked it) or ``always``."""


class Checkout:
    """The checkout of one account in one app.

    :param load_order: The merchant's ``order_loader``.
    :param before_payment: The merchant's gate, called right before a card is charged.
    :param shop_connection: Gives the connection of the shop's session, where the tables
        are in the shop's database.
    :param undo: Rolls back the shop's session, where there is one.
    :param subject: Returns more metadata for the payments of a reference.
    """

    def __init__(
        self,
        *,
        app: Flask,
        config: Config,
        client: PaySaferClient,
        store: CheckoutStore,
        cards: CardStore,
        load_order: OrderLoader,
        before_payment: BeforePayment | None = None,
        shop_connection: Callable[[], Connection] | None = None,
        undo: Callable[[], None],
        subject: Callable[[str], Mapping[str, str]] | None = None,
    ) -> None:
        self.config = config
        self.cards = cards
        self._app = app
        self._client = client
        self._store = store
        self._load_order = load_order
        self._before_payment = before_payment
        self._shop_connection = shop_connection
        self._undo = undo
        self._subject = subject
        self._resolver = AttemptResolver(
            client, store, deadline=config.deadline, cards=cards, key_life=config.profile.key_life
        )

    # The order

    def order(self, reference: str) -> CheckoutOrder | None:
        """Return the merchant's order, or None if there is none (for this customer).

        An order whose own reference is written otherwise counts as none: each name would have
        a page and a charge of its own.

        :raises TypeError: if the loader returned something else.
        """
        order = self._load_order(reference)
        # Anything false counts as none: `order and CheckoutOrder(…)` is how loaders are written.
        if not order:
            return None
        if not isinstance(order, CheckoutOrder):
            raise TypeError(
                f"The order_loader must return a CheckoutOrder or None, not {type(order).__name__}."
            )
        return order if order.reference == reference else None

    def find(self, reference: str) -> CheckoutOrder | None:
        """Return the order for an address that a browser asks for, or None if there is none.

        PostgreSQL refuses to look a word up among numbers, and answers nothing more in
        that transaction: there is no such order, and a page that says so may ask more.
        """
        try:
            return self.order(reference)
        except Exception as error:
            if not is_unfit_value(error):
                raise
            logger.warning(
                "The order_loader's database refused to look for %r (%s): the answer is 404. If "
                "the order is there, see what else the loader asks of the database.",
                reference,
                type(error).__name__,
            )
        self._undo()
        return None

    # Looking

    def look(
        self, reference: str, order: CheckoutOrder | None, *, page: bool = True
    ) -> OrderRecord | None:
        """Return what is known of the order, brought up to date with PaySafer.

        :param order: None where the loader has none any more.
        :param page: It is only looked at; else the customer has just asked for something.
        """
        record = self._store.order(reference)
        if record is None:
            self._note_expiry(reference, order)
            return None
        attempt = record.current
        if has_expired(record, order) and not record.expired and not _is_settled(attempt):
            return self._expire(record, order)
        if attempt is None or attempt.is_over or attempt.is_final:
            return record
        has_changed = order is not None and attempt.money != order.amount
        if has_changed and _is_unanswered(attempt):
            settled = self._resolver.abandon(attempt, failure="changed")
        else:
            settled = self._resolver.settle(attempt, early=0.0 if page else PAUSE, page=page)
            if has_changed and settled.state in CANCELLABLE:
                settled = self._resolver.abandon(settled, failure="changed")
        return _with_current(record, settled)

    def stored(self, reference: str) -> OrderRecord | None:
        """Return what is known of the order, as it is stored."""
        return self._store.order(reference)

    def state(self, reference: str) -> CheckoutState:
        """Return the order's state, from the database alone."""
        return state_of(reference, self._store.order(reference))

    def _note_expiry(self, reference: str, order: CheckoutOrder | None) -> None:
        if order is not None and order.expires is not None:
            self._store.note_expiry(reference, shop=self._shop, expires_at=order.expires)

    # Paying

    def pay(
        self,
        reference: str,
        order: CheckoutOrder,
        choice: Choice,
        *,
        request: Request | None = None,
    ) -> OrderRecord | None:
        """Pay the order as the customer chose, unless it is paid or being paid already.

        :raises OrderClosedError: if the order has expired or was closed, or costs nothing.
        :raises TooManyAttemptsError: after many declines in a short time.
        :raises PaymentRefused: from the merchant's ``before_payment``.
        :raises NotFreeYetError: if a former payment could not be cancelled yet.
        """
        record = self.look(reference, order, page=False)
        current = record.current if record else None
        if current is not None and not current.is_over:
            return record
        self._check_open(record, order)
        self._check_declines(reference, record)
        if self._before_payment is not None and request is not None:
            self._before_payment(reference, order, request)
        paid = self._free(record)
        if paid is not None:
            return self._store.order(reference)
        attempt = self._new_attempt(reference, order, record, choice)
        if not self._store.begin(attempt, lease=self._resolver.lease, known=record is not None):
            # Another tab, click or worker was quicker: its attempt is the one that counts.
            return self._store.order(reference)
        self._announce(reference, order)
        asked = self._resolver.ask(attempt, is_first=True)
        return _with_new(record, asked)

    def _check_open(self, record: OrderRecord | None, order: CheckoutOrder) -> None:
        if record is not None and record.closed:
            raise OrderClosedError("The shop has closed this order's checkout.")
        if has_expired(record, order):
            raise OrderClosedError("The order has expired.")
        if order.is_free:
            raise OrderClosedError("There is nothing to pay.")

    def _check_declines(self, reference: str, record: OrderRecord | None) -> None:
        wait = self.wait_after_declines(record)
        if wait > 0:
            logger.warning(
                "Order %r was declined often: the next card is taken in %.0f s.", reference, wait
            )
            raise TooManyAttemptsError(
                f"The order was declined often; another card is taken in {wait:.0f} seconds."
            )

    def wait_after_declines(self, record: OrderRecord | None) -> float:
        """Return for how many seconds no other card is taken, after many declines."""
        ages = _declines(record)
        most = self.config.max_declines
        if len(ages) < most:
            return 0.0
        pause: float = min(60.0 * 2 ** (len(ages) - most), DECLINES_WINDOW)
        return max(0.0, pause - min(ages))

    def tells_less(self, record: OrderRecord | None) -> bool:
        """Tell whether so many cards were declined that the page says no more why."""
        return len(_declines(record)) > 2

    def _free(self, record: OrderRecord | None) -> Attempt | None:
        """Cancel what former attempts left behind; return one that proves to be paid."""
        for attempt in record.open if record else ():
            ended = self._resolver.abandon(attempt, failure="canceled")
            if ended.is_closed:
                continue
            if ended.is_over:
                raise NotFreeYetError("The former payment could not be cancelled yet.")
            return ended
        return None

    def _announce(self, reference: str, order: CheckoutOrder) -> None:
        try:
            signals.checkout_started.send(self._app, reference=reference, order=order)
        except Exception:
            # Observers change nothing, least of all whether a customer can pay.
            logger.exception("A receiver of the signal checkout-started failed.")

    def _new_attempt(
        self, reference: str, order: CheckoutOrder, record: OrderRecord | None, choice: Choice
    ) -> Attempt:
        number = record.count + 1 if record else 1
        shop = record.shop if record else self._shop
        return Attempt(
            reference=reference,
            number=number,
            shop=shop,
            key=attempt_key(shop, reference, number),
            money=order.amount,
            manual_capture=order.capture_method == "manual",
            state="asked",
            begun_at=time.time(),
            expires_at=order.expires,
            request=creation(
                order,
                payment_method=choice.payment_method,
                return_url=choice.return_url,
                shop=shop,
                reference=reference,
                number=number,
                consent=choice.consent,
                subject=None if self._subject is None else self._subject(reference),
            ),
        )

    @property
    def _shop(self) -> str:
        if not self._app.secret_key:
            raise ConfigurationError(
                "The checkout needs the app's SECRET_KEY: it protects the form against forged "
                "requests. Set it to a long random value that all workers share."
            )
        return installation_id(self._app.secret_key, self.config.name)

    def restart(self, reference: str, order: CheckoutOrder) -> OrderRecord | None:
        """Give up the open attempt, so that another card can be tried.

        If it turns out to be paid, it stays so and is what is returned.
        """
        record = self._store.order(reference)
        attempt = record.current if record else None
        if record is not None and attempt is not None and _is_unanswered(attempt):
            return _with_current(record, self._resolver.abandon(attempt, failure="restarted"))
        record = self.look(reference, order, page=False)
        attempt = record.current if record else None
        if record is None or attempt is None or attempt.state not in CANCELLABLE:
            return record
        return _with_current(record, self._resolver.abandon(attempt, failure="restarted"))

    # Ending

    def close(self, reference: str) -> CheckoutState:
        """Take no further payment for the order, and cancel what is open.

        If an open payment proves to be paid, the state says so. What PaySafer can't be asked
        about now is cancelled by the sweep.
        """
        self._store.close_order(reference, shop=self._shop)
        record = self._store.order(reference)
        if record is not None:
            self._end_open(record, failure="closed")
            self._store.end_sweep(reference)
        return self.state(reference)

    def _expire(self, record: OrderRecord, order: CheckoutOrder | None) -> OrderRecord:
        if order is not None and order.expires is not None and order.expires != record.expires_at:
            self._store.note_expiry(record.reference, shop=record.shop, expires_at=order.expires)
        self._end_open(record, failure="expired")
        self._store.expire_order(record)
        return self._store.order(record.reference) or record

    def _end_open(self, record: OrderRecord, *, failure: str) -> None:
        for attempt in record.open:
            # What is authorised waits for the shop's capture, and not for the customer.
            if not attempt.is_authorised:
                self._resolver.abandon(attempt, failure=failure)

    def sweep(self, *, at_most: int = 50) -> int:
        """End what has expired, or was closed while PaySafer could not be asked.

        :returns: How many orders were looked at.
        """
        references = self._store.due(at_most=at_most)
        for reference in references:
            try:
                self._sweep_one(reference)
            except InboxUnavailableError:
                raise
            except Exception:
                logger.exception("The checkout of order %r could not be ended", reference)
                self._store.end_sweep(reference)
        return len(references)

    def _sweep_one(self, reference: str) -> None:
        record = self._store.order(reference)
        if record is None:
            return
        order = None if record.closed else self._order_anywhere(reference)
        if record.closed or record.expired:
            self._end_open(record, failure="closed")
            self._store.end_sweep(reference)
        elif has_expired(record, order):
            self._expire(record, order)
        elif order is not None and order.expires is not None:
            self._store.note_expiry(reference, shop=record.shop, expires_at=order.expires)
        else:
            self._store.end_sweep(reference)

    # Webhooks and handlers

    def note_event(self, event: Event) -> None:
        """Let a payment's webhook settle its attempt; harmless for all other events.

        Only ``payment.completed`` is taken at its word. Others may be late or out of
        order: they name the payment, and what it is now is asked of PaySafer.
        """
        attempt = self._attempt_of(event) if self._is_about_payment(event) else None
        if attempt is None:
            return
        payment = event.data
        if event.type == "payment.completed" and payment.status == "succeeded":
            self._resolver.note(attempt, payment, at=event.created)
            self._cancel_others(attempt)
        elif event.type == "payment.refunded":
            refunded = payment.get("amount_refunded")
            if type(refunded) is int:
                self._store.note_refund(attempt, payment["id"], refunded)
        elif not attempt.is_final or attempt.state == "declined":
            self._store.note_payment_id(attempt, payment["id"])

    def _cancel_others(self, paid: Attempt) -> None:
        record = self._store.order(paid.reference)
        for attempt in record.open if record else ():
            if attempt.number != paid.number:
                self._resolver.abandon(attempt, failure="canceled")

    def _is_about_payment(self, event: Event) -> bool:
        # A live payment settles nothing where test keys are, and the reverse.
        is_other_mode = event.livemode is not None and event.livemode != self.config.livemode
        return event.type.startswith("payment.") and not is_other_mode

    def _attempt_of(self, event: Event) -> Attempt | None:
        payment = event.data
        reference, number = reference_of(payment), number_of(payment)
        if reference is None or number is None or not isinstance(payment.get("id"), str):
            return None
        attempt = self._store.attempt(reference, number)
        return attempt if attempt and is_of(payment, attempt) else None

    def payment_id(self, reference: str) -> str | None:
        """Return the id of the payment that the order's latest attempt made, if it is known."""
        attempt = self._store.current(reference)
        return attempt.payment_id if attempt else None

    def order_for(self, event: Event, *, partial: bool = False) -> CheckoutOrder | None:
        """Return the order that a payment's event is about, if all three agree.

        :param partial: Agree to a payment that was captured in part, too.
        :returns: None for an event that is not about a payment of this checkout.
        :raises OrderMismatchError: if order, payment and webhook don't agree.
        :raises ConfigurationError: for an event of another account.
        """
        self._check_account(event)
        reference, payment_id = subject_of(event)
        if reference is None or payment_id is None:
            return self._order_of_local(event, reference)
        within = self._shop_connection() if self._shop_connection else None
        record = self._store.order(reference, within=within)
        if not self._is_ours(event, record):
            logger.info("Event %s is about the payment of another shop's order.", event.id)
            return None
        attempt = None
        if record is not None:
            attempt = self._store.attempt_of_payment(reference, payment_id, within=within)
        found = self._order_anywhere(reference)
        order = verified_order(event, found, record, attempt, partial=partial)
        if event.type in FULFILLING:
            shop = record.shop if record else self._shop
            claimed = self._store.claim_payment(reference, payment_id, shop=shop, within=within)
            refuse_second_payment(event, claimed)
        return order

    def _order_of_local(self, event: Event, reference: str | None) -> CheckoutOrder | None:
        # checkout.expired is about an order and no payment.
        if reference is None or not event.local:
            return None
        return self._order_anywhere(reference)

    def _check_account(self, event: Event) -> None:
        if event.account is not None and event.account != self.config.name:
            raise ConfigurationError(
                f"Event {event.id} came in for the account {event.account!r}, and the extension "
                f"called {self.config.name!r} was asked about it. Ask the one of its own account."
            )

    def _is_ours(self, event: Event, record: OrderRecord | None) -> bool:
        if event.local:
            return True
        found = installation_of(event.data)
        # None: a payment that the merchant's own code made with our reference.
        return found is None or found in {record.shop if record else None, self._shop}

    def _order_anywhere(self, reference: str) -> CheckoutOrder | None:
        # Handlers run outside requests, where the loader's url_for() would not work. Given
        # the webhook's address in every case, a loader can tell a handler from a customer.
        with made_up_request(self._app, f"{self.config.url_prefix}/webhook", method="POST"):
            return self.order(reference)


def _is_settled(attempt: Attempt | None) -> bool:
    return attempt is not None and (
        attempt.state in {"succeeded", "mismatch"} or attempt.is_authorised
    )


def _is_unanswered(attempt: Attempt) -> bool:
    return attempt.state == "asked" and attempt.payment_id is None


def _declines(record: OrderRecord | None) -> list[float]:
    """Return how many seconds ago each decline of the last hour was begun."""
    return [
        attempt.age
        for attempt in (record.attempts if record else ())
        if attempt.age < DECLINES_WINDOW
        and attempt.is_over
        and attempt.state != "rejected"
        and attempt.failure not in NO_CARD_TRIED
    ]


def _with_current(record: OrderRecord, attempt: Attempt) -> OrderRecord:
    others = tuple(one for one in record.attempts if one.number != attempt.number)
    return replace(record, attempts=(attempt, *others))


def _with_new(record: OrderRecord | None, attempt: Attempt) -> OrderRecord:
    if record is not None:
        return replace(_with_current(record, attempt), count=attempt.number)
    return OrderRecord(
        reference=attempt.reference,
        shop=attempt.shop,
        count=attempt.number,
        attempts=(attempt,),
        closed=False,
        expired=False,
        expires_at=attempt.expires_at,
        created_at=attempt.begun_at,
    )
