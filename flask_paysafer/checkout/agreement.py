"""Compare what the shop wanted, what was asked for, and what the webhook says."""

from __future__ import annotations

from ..errors import OrderMismatchError
from ..events import Event
from ..inbox.attempts import Attempt
from .identity import reference_of
from .orders import CheckoutOrder
from .payments import money_of


def agreed_order(
    event: Event, order: CheckoutOrder | None, attempt: Attempt | None
) -> CheckoutOrder:
    """Return the order if the event's payment is over exactly its sum, and its only one.

    :raises OrderMismatchError: saying what differs.
    """
    if order is None:
        raise _mismatch(event, "the shop has no such order")
    if money_of(event.data) != order.amount:
        raise _mismatch(event, f"its sum is not the order's ({order.amount})")
    if attempt is not None:
        _check_attempt(event, attempt)
    _check_received(event, order)
    return order


def _check_attempt(event: Event, attempt: Attempt) -> None:
    is_paid = attempt.state in {"succeeded", "mismatch"}
    is_same = attempt.payment_id in {None, event.data.get("id")}
    if is_paid and not is_same:
        raise _mismatch(event, f"another payment, {attempt.payment_id}, has paid the order already")
    if is_same and attempt.payment_id and attempt.money != money_of(event.data):
        raise _mismatch(event, f"the checkout had asked for another sum ({attempt.money})")


def _check_received(event: Event, order: CheckoutOrder) -> None:
    received = event.data.get("amount_received")
    if event.type != "payment.completed" or received is None:
        return
    if order.capture_method == "automatic" and received != order.amount.amount:
        raise _mismatch(event, "not all of it was received")


def _mismatch(event: Event, reason: str) -> OrderMismatchError:
    return OrderMismatchError(
        f"Payment {event.data.get('id')} names order {reference_of(event.data)!r}, but {reason}. "
        "Nothing was fulfilled; look at both, and give the money back if it is not due."
    )
