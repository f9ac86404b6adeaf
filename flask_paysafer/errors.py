"""Every error this package raises on purpose.

- ``PaySaferError``

  - ``ConfigurationError``: a setting or a registration is wrong; fix the code
  - ``SignatureVerificationError``: a webhook body is not authentic
  - ``InvalidPayloadError``: a webhook body is authentic but no event
  - ``APIConnectionError``: no answer came

    - ``APITimeoutError``: no answer came in time

  - ``APIError``: an answer that is an error, and the fallback

    - ``InvalidRequestError``: 400 and 422

      - ``NotFoundError``: 404

    - ``AuthenticationError``: 401
    - ``CardError``: 402
    - ``IdempotencyError``: 409
    - ``RateLimitError``: 429
    - ``ServerError``: 5xx

  - ``OrderMismatchError``: order, payment and event don't agree
  - ``OrderClosedError``: the order takes no further payment
  - ``TooManyAttemptsError``: the order was tried to be paid too often
  - ``PaymentRefused``: raise it to refuse a payment
  - ``HandlerTransactionError``: a handler and its record can't be committed together
  - ``InboxUnavailableError``: the inbox's database can't be used
  - ``PayloadUnreadableError``: a stored payload can't be decrypted
  - ``OverrideError``: a test's override fits no field of the event

Every one of them pickles, and none holds a key, a card number, a CVC or an
e-mail address: what PaySafer says is cleaned before it becomes a message. The
idempotency key is as the caller gave it, and cleaned where it is shown.
"""

from __future__ import annotations

from typing import Any, Literal

__all__ = [
    "APIConnectionError",
    "APIError",
    "APITimeoutError",
    "AuthenticationError",
    "CardError",
    "ConfigurationError",
    "HandlerTransactionError",
    "IdempotencyError",
    "InboxUnavailableError",
    "InvalidPayloadError",
    "InvalidRequestError",
    "NotFoundError",
    "OrderClosedError",
    "OrderMismatchError",
    "Outcome",
    "OverrideError",
    "PaySaferError",
    "PayloadUnreadableError",
    "PaymentRefused",
    "RateLimitError",
    "ServerError",
    "SignatureVerificationError",
    "TooManyAttemptsError",
]

Outcome = Literal["rejected", "not_sent", "unknown"]
"""Whether a call that failed was carried out.

``"rejected"``: nothing happened. ``"not_sent"``: the request never left.
``"unknown"``: money may have moved; ask again with the SAME idempotency key.
"""


class PaySaferError(Exception):
    """Base of every error of this package."""

    def __init__(
        self,
        message: str = "",
        *,
        type: str | None = None,  # noqa: A002 (PaySafer's own name for it)
        code: str | None = None,
        param: str | None = None,
        doc_url: str | None = None,
        status: int | None = None,
        request_id: str | None = None,
        idempotency_key: str | None = None,
        attempts: int = 0,
        outcome: Outcome | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        """The text for people."""
        self.type = type
        """PaySafer's error type, such as ``card_error``."""
        self.code = code
        """PaySafer's error code, such as ``parameter_missing``."""
        self.param = param
        """The request's field that is wrong, where PaySafer names one."""
        self.doc_url = doc_url
        """PaySafer's page about this error."""
        self.status = status
        """The HTTP status of the answer; None where none came."""
        self.request_id = request_id
        """The request's id, which PaySafer's support asks for."""
        self.idempotency_key = idempotency_key
        """The key that every attempt of this call carried: ask again with it."""
        self.attempts = attempts
        """How many times the request was sent."""
        self.outcome: Outcome | None = outcome
        """See :data:`Outcome`; None for errors that are not about a call."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (_rebuild, (type(self), self.message, dict(self.__dict__)))

    def __repr__(self) -> str:
        shown = {
            name: value
            for name, value in self.__dict__.items()
            if value is not None and value != 0 and name not in {"message", "doc_url"}
        }
        if self.idempotency_key is not None:
            shown["idempotency_key"] = _presentable(self.idempotency_key)
        details = "".join(f", {name}={value!r}" for name, value in shown.items())
        return f"{self.__class__.__name__}({self.message!r}{details})"


def _presentable(key: str) -> str:
    """Return the caller's key for a log: somebody may have made it of an address or a number."""
    from .redaction import redact

    # Part by part as well: between underscores a number passes for the end of an id.
    return "_".join(map(redact, redact(key).split("_")))


def _rebuild(cls: type[PaySaferError], message: str, state: dict[str, Any]) -> PaySaferError:
    error = cls(message)
    error.__dict__.update(state)
    return error


class ConfigurationError(PaySaferError):
    """A setting, key or registration is wrong. The message names it and the cure."""


class SignatureVerificationError(PaySaferError):
    """A webhook body is not authentic, or not recent enough to be trusted."""


class InvalidPayloadError(PaySaferError):
    """A webhook body is authentic, but is no event."""


class APIConnectionError(PaySaferError):
    """No answer came. ``outcome`` tells whether the request may have been carried out."""


class APITimeoutError(APIConnectionError):
    """No answer came in time."""


class APIError(PaySaferError):
    """PaySafer answered with an error; also the fallback for statuses with no class."""


class InvalidRequestError(APIError):
    """400 or 422: the request is malformed, or can't be done in the current state."""


class NotFoundError(InvalidRequestError):
    """404: no such object."""


class AuthenticationError(APIError):
    """401: the API key is missing, wrong, or may not do this."""


class CardError(APIError):
    """402: the card was declined."""

    def __init__(
        self,
        message: str = "",
        *,
        decline_code: str | None = None,
        payment_id: str | None = None,
        **details: Any,
    ) -> None:
        super().__init__(message, **details)
        self.decline_code = decline_code
        """Why the bank declined, such as ``insufficient_funds``, where PaySafer says so."""
        self.payment_id = payment_id
        """The payment that failed, where PaySafer names it."""


class IdempotencyError(APIError):
    """409: a request with the same idempotency key already exists."""


class RateLimitError(APIError):
    """429: too many requests."""

    def __init__(
        self, message: str = "", *, retry_after: float | None = None, **details: Any
    ) -> None:
        super().__init__(message, **details)
        self.retry_after = retry_after
        """Seconds until PaySafer takes requests again, where it said so."""


class ServerError(APIError):
    """5xx: PaySafer failed. For a write the outcome is unknown."""


class OrderMismatchError(PaySaferError):
    """Order, payment and event don't agree, so nothing may be fulfilled until somebody has looked.

    Raised in a handler, it leaves the event failed, where the operator sees it.
    """


class OrderClosedError(PaySaferError):
    """The order takes no further payment: it has expired or was closed."""


class TooManyAttemptsError(PaySaferError):
    """The order was tried to be paid too often."""


class PaymentRefused(PaySaferError):  # noqa: N818 (a decision of the shop's, not a failure)
    """Raise it in a ``before_payment`` function to refuse a payment. No card is charged.

    The message is shown to the customer.
    """


class HandlerTransactionError(PaySaferError):
    """A handler's writes and the record that it ran can't be committed together.

    Raised before the handler runs, for an engine or session that commits by itself, or where
    the handler ends the database transaction behind the session's back. Nothing was written;
    the event is tried again. The message says what to change.
    """


class InboxUnavailableError(PaySaferError):
    """The inbox's database is down, locked, full, read-only or not set up.

    Either nothing was stored or all of it was. The sender of the event should retry later
    (503 with ``Retry-After``).
    """


class PayloadUnreadableError(PaySaferError):
    """A stored payload can't be decrypted with the keys that are set.

    The row is kept as it is, and can be read again once its key is set.
    """


class OverrideError(PaySaferError, ValueError):
    """An override of an example event names no field of it, or gives one the wrong type."""
