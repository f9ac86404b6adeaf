"""PaySafer's objects: dicts with attributes."""

from __future__ import annotations

import functools
import types
import typing
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from .money import Money
from .profile import ApiProfile
from .translation import payment_in_our_words

__all__ = [
    "CLASSES",
    "Customer",
    "Dispute",
    "Payment",
    "Payout",
    "Resource",
    "Token",
    "WebhookEndpoint",
    "make",
    "parse",
]

R = typing.TypeVar("R", bound="Resource")

_SHOWN = ("id", "type", "status")


class Resource(dict[str, Any]):
    """An object of PaySafer's as it was answered: ``payment.amount`` is ``payment["amount"]``.

    Nothing is thrown away: fields and values that this version doesn't know are
    kept. A field that may be absent by its annotation is None when it is; any
    other absent field raises ``AttributeError`` (or ``KeyError`` as an item).
    Fields named like a method of dict (``items``, ``values`` …) are reached as
    items. It is a snapshot: changing it changes nothing at PaySafer.

    ``json.dumps``, ``pickle`` and ``copy`` work; ``repr`` shows the id and the
    status alone, for other fields can be personal or secret.
    """

    __slots__ = ()

    if typing.TYPE_CHECKING:
        id: str
        """The object's id at PaySafer."""
        object: str
        """The kind of object, such as ``payment``."""

    def __getattr__(self, name: str) -> Any:
        try:
            value = self[name]
        except KeyError:
            if name in _optional_fields(type(self)):
                return None
            raise AttributeError(_absent(self, name), name=name, obj=self) from None
        # Wrapped when it is asked for, so that an answer costs little more than its JSON.
        if type(value) is dict:
            value = self[name] = Resource(value)
        elif type(value) is list and dict in map(type, value):
            value = self[name] = [Resource(v) if type(v) is dict else v for v in value]
        return value

    @property
    def created_at(self) -> datetime:
        """When it was created, in UTC."""
        return datetime.fromtimestamp(self.created, UTC)

    def __repr__(self) -> str:
        shown = "".join(f" {name}={self[name]!r}" for name in _SHOWN if name in self)
        return f"<{type(self).__name__}{shown}>"

    __str__ = __repr__

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (dict(self),)


def _absent(resource: Resource, name: str) -> str:
    return f"This {type(resource).__name__} has no field {name!r}."


@functools.cache
def _optional_fields(cls: type) -> frozenset[str]:
    """Return the names of the fields that are annotated with None."""
    hints = typing.get_type_hints(cls)
    return frozenset(name for name, hint in hints.items() if _allows_none(hint))


def _allows_none(hint: Any) -> bool:
    return isinstance(hint, types.UnionType) and type(None) in typing.get_args(hint)


class Payment(Resource):
    """A charge to a customer's payment method."""

    __slots__ = ()

    amount: int
    """The amount to be paid, in minor units (fils for AED)."""
    currency: str
    """ISO 4217 code in lower case."""
    status: str
    """``requires_payment_method``, ``requires_confirmation``, ``requires_action``,
    ``processing``, ``requires_capture``, ``succeeded``, ``canceled``, ``failed``, or one
    that PaySafer adds later. A refund keeps ``succeeded``."""
    created: int
    """Unix seconds."""
    livemode: bool
    """True if real money moves."""
    metadata: Resource
    """The merchant's own texts."""
    amount_received: int | None
    """The amount captured so far, in minor units."""
    amount_refunded: int | None
    """The amount refunded so far, in minor units."""
    capture_method: str | None
    """``automatic`` or ``manual``."""
    customer: str | None
    """The id of the customer."""
    description: str | None
    """A description of the payment."""
    failure_reason: str | None
    """Why it failed."""
    next_action: Resource | None
    """The step that the cardholder has to take: ``next_action.redirect_to_url.url`` leads there."""
    payment_method: str | None
    """The payment method or token it was paid with; a saved card's ``pm_…`` if it was kept."""
    payment_method_details: Resource | None
    """``card`` has its ``brand``, ``last4``, ``exp_month`` and ``exp_year``."""
    receipt_email: str | None
    """Where PaySafer sends the receipt."""

    @property
    def money(self) -> Money:
        """The amount with its currency."""
        return Money(self["amount"], self["currency"])

    @property
    def money_received(self) -> Money:
        """The amount captured so far, with its currency."""
        return Money(self.amount_received or 0, self["currency"])

    @property
    def money_refunded(self) -> Money:
        """The amount refunded so far, with its currency."""
        return Money(self.amount_refunded or 0, self["currency"])


class TranslatedPayment(Payment):
    """A payment of an account with a profile: attributes in our words, items as they came."""

    __slots__ = ("_ours",)

    def __init__(self, mapping: Mapping[str, Any], ours: Mapping[str, Any]) -> None:
        super().__init__(mapping)
        self._ours = dict(ours)

    def __getattr__(self, name: str) -> Any:
        if name == "_ours":  # copy and pickle ask before it is made
            raise AttributeError(name)
        if name in self._ours:
            value = self._ours[name]
            return Resource(value) if type(value) is dict else value
        return super().__getattr__(name)

    def __repr__(self) -> str:
        return f"<Payment id={self.get('id')!r} status={self.status!r}>"

    __str__ = __repr__

    def __reduce__(self) -> tuple[Any, ...]:
        return TranslatedPayment, (dict(self), self._ours)


class Customer(Resource):
    """Someone who pays."""

    __slots__ = ()

    created: int
    """Unix seconds."""
    livemode: bool
    """True for a customer of live mode."""
    metadata: Resource
    """The merchant's own texts."""
    email: str | None
    """Their e-mail address."""
    name: str | None
    """Their name."""
    phone: str | None
    """Their telephone number."""
    deleted: bool | None
    """True in the answer to ``delete``; the other fields are absent there."""


class WebhookEndpoint(Resource):
    """An address that PaySafer sends events to."""

    __slots__ = ()

    url: str
    """The address."""
    enabled_events: list[str]
    """The event types it gets; ``["*"]`` for all."""
    status: str
    """``enabled``, or what PaySafer adds later."""
    created: int
    """Unix seconds."""
    livemode: bool
    """True for an endpoint of live mode."""
    secret: str | None
    """The signing secret (``whsec_…``): in the answer to ``create`` only. Store it then."""
    deleted: bool | None
    """True in the answer to ``delete``; the other fields are absent there."""


class Token(Resource):
    """Stands for card data that PaySafer keeps; a payment takes it once."""

    __slots__ = ()

    card: Resource
    """``brand``, ``last4``, ``exp_month`` and ``exp_year``."""
    used: bool
    """True once a payment was made with it."""
    created: int
    """Unix seconds."""
    livemode: bool
    """True for a token of live mode."""


class Payout(Resource):
    """A transfer to the merchant's bank account."""

    __slots__ = ()

    amount: int
    """Minor units."""
    currency: str
    """ISO 4217 code in lower case."""
    status: str
    """``paid``, ``failed``, or what PaySafer adds later."""
    created: int
    """Unix seconds."""
    livemode: bool
    """True if real money moves."""
    failure_reason: str | None
    """Why it failed."""

    @property
    def money(self) -> Money:
        """The amount with its currency."""
        return Money(self["amount"], self["currency"])


class Dispute(Resource):
    """A payment that the cardholder contests."""

    __slots__ = ()

    payment: str
    """The id of the payment."""
    amount: int
    """The contested amount, in minor units."""
    currency: str
    """ISO 4217 code in lower case."""
    reason: str
    """The reason that the cardholder gave."""
    status: str
    """The state of the dispute, such as ``open`` or ``closed``."""
    created: int
    """Unix seconds."""
    livemode: bool
    """True if real money moves."""
    outcome: str | None
    """``won`` or ``lost`` once it is decided."""

    @property
    def money(self) -> Money:
        """The contested amount with its currency."""
        return Money(self["amount"], self["currency"])


CLASSES: dict[str, type[Resource]] = {
    "payment": Payment,
    "customer": Customer,
    "webhook_endpoint": WebhookEndpoint,
    "token": Token,
    "payout": Payout,
    "dispute": Dispute,
}


def parse(
    mapping: Mapping[str, Any], *, kind: str | None = None, profile: ApiProfile | None = None
) -> Resource:
    """Return the object in the class that its ``"object"`` field names.

    :param kind: What it is where that field is absent.
    :param profile: Whose words it is in; the usual ones by default.
    """
    name = mapping.get("object", kind)
    cls = CLASSES.get(name, Resource) if isinstance(name, str) else Resource
    return make(cls, mapping, profile)


def make(cls: type[R], mapping: Mapping[str, Any], profile: ApiProfile | None) -> R:
    """Return the object as ``cls``, with its attributes in our words."""
    if profile is not None and profile.translates and issubclass(cls, Payment):
        ours = payment_in_our_words(profile, mapping)
        return typing.cast("R", TranslatedPayment(mapping, ours)) if ours else cls(mapping)
    return mapping if type(mapping) is cls else cls(mapping)
