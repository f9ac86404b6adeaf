"""Arguments become operations, one function for each call of the API. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar
from urllib.parse import urlencode

from ..resources import Customer, Payment, Resource, Token, WebhookEndpoint, parse
from . import fields, settlement
from .operation import Operation, Settlement, encode, split
from .readers import Listed, object_reader, page_reader

__all__ = [
    "cancel_payment",
    "capture_payment",
    "confirm_payment",
    "create_customer",
    "create_payment",
    "create_token",
    "create_webhook_endpoint",
    "delete",
    "list_of",
    "refund_payment",
    "request",
    "retrieve",
    "update_customer",
]

R = TypeVar("R", bound=Resource)
Params = Mapping[str, object]

COLLECTIONS: dict[type[Resource], str] = {
    Payment: "payments",
    Customer: "customers",
    WebhookEndpoint: "webhook-endpoints",
    Token: "tokens",
}

_CREATE_PAYMENT: dict[str, fields.Check] = {
    "amount": fields.amount,
    "currency": fields.currency,
    "payment_method": fields.identifier,
    "description": fields.text,
    "customer": fields.identifier,
    "metadata": fields.metadata,
    "receipt_email": fields.text,
    "capture_method": fields.text,
    "confirm": fields.flag,
    "return_url": fields.url,
}
_CUSTOMER: dict[str, fields.Check] = {
    "email": fields.text,
    "name": fields.text,
    "phone": fields.text,
    "metadata": fields.metadata,
}
_WEBHOOK_ENDPOINT: dict[str, fields.Check] = {
    "url": fields.url,
    "enabled_events": fields.event_types,
}
_CONFIRM: dict[str, fields.Check] = {
    "payment_method": fields.identifier,
    "return_url": fields.url,
}
_REFUND: dict[str, fields.Check] = {"amount": fields.amount, "reason": fields.text}
_LIST: dict[str, fields.Check] = {
    "limit": fields.page_size,
    "starting_after": fields.identifier,
    "ending_before": fields.identifier,
    "created": fields.moments,
}


def create_payment(params: Params) -> Operation[Payment]:
    """Charge a payment method, or prepare to."""
    return _create(
        Payment, params, _CREATE_PAYMENT, required=("amount", "currency"), is_checkout=True
    )


def capture_payment(payment_id: object, params: Params) -> Operation[Payment]:
    """Take the money of a payment that was authorised."""
    operation = _act("capture", payment_id, params, {"amount": fields.amount})
    return _settled_by(settlement.is_captured(params.get("amount")), operation)


def cancel_payment(payment_id: object, params: Params) -> Operation[Payment]:
    """End a payment that has taken no money."""
    operation = _act("cancel", payment_id, params, {})
    return _settled_by(settlement.is_canceled, operation)


def refund_payment(payment_id: object, params: Params) -> Operation[Payment]:
    """Give some or all of a payment back."""
    return _act("refund", payment_id, params, _REFUND)


def confirm_payment(payment_id: object, params: Params) -> Operation[Payment]:
    """Charge a payment that waited for it."""
    operation = _act("confirm", payment_id, params, _CONFIRM)
    operation.is_checkout = True
    return _settled_by(settlement.is_confirmed, operation)


def create_customer(params: Params) -> Operation[Customer]:
    """Save who pays."""
    return _create(Customer, params, _CUSTOMER)


def update_customer(customer_id: object, params: Params) -> Operation[Customer]:
    """Change the fields that are given."""
    options, rest = split("PATCH", params)
    return Operation(
        method="PATCH",
        path=f"/customers/{fields.path_segment('customer_id', customer_id)}",
        route="/customers/{id}",
        read=object_reader(Customer),
        options=options,
        body=encode(fields.body_of(rest, _CUSTOMER)),
        expected_id=str(customer_id),
    )


def create_webhook_endpoint(params: Params) -> Operation[WebhookEndpoint]:
    """Have events sent to an address."""
    if params.get("enabled_events") is None:
        params = {**params, "enabled_events": ["*"]}
    return _create(WebhookEndpoint, params, _WEBHOOK_ENDPOINT, required=("url",))


def create_token(params: Params) -> Operation[Token]:
    """Leave card data with PaySafer."""
    operation = _create(Token, params, {"card": fields.card}, required=("card",), is_checkout=True)
    operation.is_publishable = True
    return operation


def retrieve(cls: type[R], object_id: object, params: Params) -> Operation[R]:
    """Get one object as it is now."""
    operation = _address("GET", cls, object_id, params)
    operation.is_checkout = cls is Payment
    return operation


def delete(cls: type[R], object_id: object, params: Params) -> Operation[R]:
    """Remove one object."""
    return _address("DELETE", cls, object_id, params)


def list_of(cls: type[R], params: Params) -> Operation[Listed[R]]:
    """Get one page of a collection."""
    options, rest = split("GET", params)
    path = f"/{COLLECTIONS[cls]}"
    return Operation(
        method="GET",
        path=path,
        route=path,
        read=page_reader(cls),
        options=options,
        query=encode_query(fields.body_of(rest, _LIST)),
    )


def request(
    method: object, path: object, *, json: object, query: Params | None, options: Params
) -> Operation[Resource]:
    """Call what has no method of its own."""
    verb = fields.http_method("method", method)
    chosen, unknown = split(verb, options)
    fields.body_of(unknown, {})
    checked = fields.relative_path("path", path)
    return Operation(
        method=verb,
        path=checked,
        route=checked,
        read=parse,
        options=chosen,
        query=encode_query(query or {}),
        body=b"" if json is None else encode(json),
    )


def encode_query(params: Params) -> str:
    """Return a query string; a dict becomes ``created[gte]=…``, a list repeats its name."""
    pairs: list[tuple[str, str]] = []
    for name, value in params.items():
        if isinstance(value, Mapping):
            pairs += [(f"{name}[{key}]", _plain(item)) for key, item in value.items()]
        elif isinstance(value, (list, tuple)):
            pairs += [(name, _plain(item)) for item in value]
        elif value is not None:
            pairs.append((name, _plain(value)))
    return urlencode(pairs)


def _plain(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _create(
    cls: type[R],
    params: Params,
    checks: Mapping[str, fields.Check],
    *,
    required: tuple[str, ...] = (),
    is_checkout: bool = False,
) -> Operation[R]:
    options, rest = split("POST", params)
    path = f"/{COLLECTIONS[cls]}"
    return Operation(
        method="POST",
        path=path,
        route=path,
        read=object_reader(cls),
        options=options,
        body=encode(fields.body_of(rest, checks, required=required)),
        is_checkout=is_checkout,
    )


def _act(
    verb: str, payment_id: object, params: Params, checks: Mapping[str, fields.Check]
) -> Operation[Payment]:
    options, rest = split("POST", params)
    return Operation(
        method="POST",
        path=f"/payments/{fields.path_segment('payment_id', payment_id)}/{verb}",
        route=f"/payments/{{id}}/{verb}",
        read=object_reader(Payment),
        options=options,
        body=encode(fields.body_of(rest, checks)),
        expected_id=str(payment_id),
    )


def _settled_by(
    judge: Callable[[Payment], bool | None], operation: Operation[Payment]
) -> Operation[Payment]:
    # Without the call's own options: its headers and its key are for the write.
    reading = retrieve(Payment, operation.expected_id, {})
    operation.settlement = Settlement(reading, judge)
    return operation


def _address(method: str, cls: type[R], object_id: object, params: Params) -> Operation[R]:
    options, rest = split(method, params)
    fields.body_of(rest, {})
    collection = COLLECTIONS[cls]
    return Operation(
        method=method,
        path=f"/{collection}/{fields.path_segment('id', object_id)}",
        route=f"/{collection}/{{id}}",
        read=object_reader(cls),
        options=options,
        expected_id=str(object_id),
    )
