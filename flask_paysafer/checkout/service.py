"""The checkout's decisions: may this order be paid now, and what became of it.

No HTTP here: the views ask, the CLI and the webhook side may ask too. The customer's
browser is believed in nothing but which payment method to try.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from flask import Flask

from .. import signals
from ..config import Config
from ..errors import ConfigurationError, TooManyAttemptsError
from ..events import Event
from ..inbox.attempts import Attempt
from ..inbox.errors import is_unfit_value
from .aliases import plain_numbers
from .orders import CheckoutOrder
from .payments import (
    attempt_key,
    creation,
    installation_id,
    installation_of,
    is_of,
    number_of,
    reference_of,
    verified_order,
)
from .resolver import PAUSE, AttemptResolver

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from ..client import PaySaferClient
    from ..inbox.checkouts import CheckoutStore

logger = logging.getLogger(__name__)

OrderLoader = Callable[[str], CheckoutOrder | None]

MAX_ATTEMPTS = 50
"""More tries at one order are somebody testing stolen cards."""

CANCELLABLE = frozenset({"requires_payment_method", "requires_confirmation", "requires_action"})


class Checkout:
    """The checkout of one account in one app.

    :param load_order: The merchant's ``order_loader``.
    :param shop_connection: Gives the connection of the shop's session, where the tables
        are in the shop's database.
    :param undo: Rolls back the shop's session, where there is one.
    """

    def __init__(
        self,
        *,
        app: Flask,
        config: Config,
        client: PaySaferClient,
        store: CheckoutStore,
        load_order: OrderLoader,
        shop_connection: Callable[[], Connection] | None = None,
        undo: Callable[[], None],
    ) -> None:
        self.config = config
        self._app = app
        self._client = client
        self._store = store
        self._load_order = load_order
        self._shop_connection = shop_connection
        self._undo = undo
        self._resolver = AttemptResolver(client, store, deadline=config.deadline)

    def order(self, reference: str) -> CheckoutOrder | None:
        """Return the merchant's order, or None if there is none (for this customer).

        :raises TypeError: if the loader returned something else.
        """
        order = self._loaded(reference)
        # Another name of the order has another row, and would let it be paid once more.
        if order is None or self._has_another_name(order, reference):
            return None
        return order

    def _loaded(self, reference: str) -> CheckoutOrder | None:
        order = self._load_order(reference)
        # Anything false counts as none: `order and CheckoutOrder(…)` is how loaders are written.
        if not order:
            return None
        if not isinstance(order, CheckoutOrder):
            raise TypeError(
                f"The order_loader must return a CheckoutOrder or None, not {type(order).__name__}."
            )
        return order

    def _has_another_name(self, order: CheckoutOrder, reference: str) -> bool:
        if order.reference is not None:
            return str(order.reference) != reference
        for plain in plain_numbers(reference):
            if self._finds_the_same(order, plain):
                logger.warning(
                    "Order %r has no page: the order_loader finds the same sum under %r, so both "
                    "may be one order. If they are two, give each its CheckoutOrder(reference=…).",
                    reference,
                    plain,
                )
                return True
        return False

    def _finds_the_same(self, order: CheckoutOrder, plain: str) -> bool:
        try:
            other = self._loaded(plain)
        except Exception as error:  # noqa: BLE001 (the merchant's code)
            # The loader has no such order either, and says so in its own way.
            if is_unfit_value(error):
                self._undo()
            return False
        return other is not None and other.amount == order.amount

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

    def look(self, reference: str, order: CheckoutOrder, *, early: float = PAUSE) -> Attempt | None:
        """Return the attempt that counts, brought up to date with PaySafer."""
        attempt = self._store.current(reference)
        if attempt is None or attempt.is_final:
            return attempt
        has_changed = attempt.money != order.amount
        if has_changed and _is_unanswered(attempt):
            return self._resolver.abandon(attempt, failure="changed")
        attempt = self._resolver.settle(attempt, early=early)
        if has_changed and attempt.state in CANCELLABLE:
            return self._resolver.abandon(attempt, failure="changed")
        return attempt

    def pay(
        self, reference: str, order: CheckoutOrder, *, payment_method: str, return_url: str
    ) -> Attempt:
        """Pay the order with ``payment_method``, unless it is paid or being paid already.

        :raises TooManyAttemptsError: if it was tried too often.
        """
        current = self.look(reference, order)
        if current is not None and not current.is_closed:
            return current
        attempt = self._new_attempt(reference, order, current, payment_method, return_url)
        if not self._store.begin(attempt, lease=self._resolver.lease):
            # Another tab, click or worker was quicker: its attempt is the one that counts.
            return self._store.current(reference) or attempt
        self._announce(reference, order)
        begun = self._resolver.reread(attempt)
        self._resolver.ask(begun, is_first=True)
        return self._resolver.reread(begun)

    def _announce(self, reference: str, order: CheckoutOrder) -> None:
        try:
            signals.checkout_started.send(self._app, reference=reference, order=order)
        except Exception:
            # Observers change nothing, least of all whether a customer can pay.
            logger.exception("A receiver of the signal checkout-started failed.")

    def _new_attempt(
        self,
        reference: str,
        order: CheckoutOrder,
        former: Attempt | None,
        payment_method: str,
        return_url: str,
    ) -> Attempt:
        number = former.number + 1 if former else 1
        if number > MAX_ATTEMPTS:
            logger.error("Order %r was tried %d times: no more.", reference, former and number - 1)
            raise TooManyAttemptsError
        shop = self._store.shop_of(reference, default=self._shop)
        request = creation(
            order,
            payment_method=payment_method,
            return_url=return_url,
            shop=shop,
            reference=reference,
            number=number,
        )
        return Attempt(
            reference=reference,
            number=number,
            shop=shop,
            key=attempt_key(shop, reference, number),
            money=order.amount,
            manual_capture=order.capture_method == "manual",
            state="asked",
            request=request,
        )

    @property
    def _shop(self) -> str:
        if not self._app.secret_key:
            raise ConfigurationError(
                "The checkout needs the app's SECRET_KEY: it protects the form against forged "
                "requests. Set it to a long random value that all workers share."
            )
        return installation_id(self._app.secret_key, self.config.name)

    def restart(self, reference: str, order: CheckoutOrder) -> Attempt | None:
        """Give up the open attempt, so that another card can be tried.

        If it turns out to be paid, it stays so and is what is returned.
        """
        attempt = self._store.current(reference)
        if attempt is not None and _is_unanswered(attempt):
            return self._resolver.abandon(attempt, failure="restarted")
        attempt = self.look(reference, order)
        if attempt is None or attempt.state not in CANCELLABLE:
            return attempt
        return self._resolver.abandon(attempt, failure="restarted")

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
            self._resolver.note(attempt, payment)
        elif not attempt.is_final:
            self._store.note_payment_id(attempt, payment["id"])

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

    def order_for(self, event: Event) -> CheckoutOrder | None:
        """Return the order that a payment's event is about, if all three agree.

        :returns: None for an event that is not about a payment of this checkout.
        :raises OrderMismatchError: if order, payment and webhook don't agree.
        """
        reference = reference_of(event.data)
        if reference is None or not event.type.startswith("payment."):
            return None
        within = self._shop_connection() if self._shop_connection else None
        attempt = self._store.current(reference, within=within)
        if not self._is_ours(event, attempt):
            logger.info("Event %s is about the payment of another shop's order.", event.id)
            return None
        return verified_order(event, self._order_anywhere(reference), attempt)

    def _is_ours(self, event: Event, attempt: Attempt | None) -> bool:
        mark = installation_of(event.data)
        # No mark: a payment that the merchant's own code made with our reference.
        return mark is None or mark in {attempt.shop if attempt else None, self._shop}

    def _order_anywhere(self, reference: str) -> CheckoutOrder | None:
        # Handlers run outside requests, where the loader's url_for() would not work. Given
        # the webhook's address in every case, a loader can tell a handler from a customer.
        address = f"{self.config.url_prefix}/webhook"
        with self._app.test_request_context(address, method="POST"):
            return self.order(reference)


def _is_unanswered(attempt: Attempt) -> bool:
    return attempt.state == "asked" and attempt.payment_id is None
