"""What a synchronous client can do, by kind of object."""

from __future__ import annotations

from typing import TYPE_CHECKING, Unpack

from ..pagination import Page
from ..resources import Customer, Payment, Token, WebhookEndpoint
from . import operations
from .parameters import (
    CallOptions,
    CapturePayment,
    ConfirmPayment,
    CreateCustomer,
    CreatePayment,
    CreateToken,
    CreateWebhookEndpoint,
    ListParameters,
    RefundPayment,
    UpdateCustomer,
)

if TYPE_CHECKING:
    from .sync_client import PaySaferClient

__all__ = ["Customers", "Payments", "Tokens", "WebhookEndpoints"]


class _Service:
    def __init__(self, client: PaySaferClient) -> None:
        self._client = client


class Payments(_Service):
    """Charges to customers' payment methods."""

    def create(self, **params: Unpack[CreatePayment]) -> Payment:
        """Charge a payment method, or prepare to.

        :raises CardError: if the card is declined.
        """
        operation = operations.create_payment(params)
        del params  # personal: error reporters print the locals of frames
        return self._client._execute(operation)

    def retrieve(self, payment_id: str, **options: Unpack[CallOptions]) -> Payment:
        """Return a payment as it is now."""
        return self._client._execute(operations.retrieve(Payment, payment_id, options))

    def list(self, **params: Unpack[ListParameters]) -> Page[Payment]:
        """Return the newest payments; iterating walks through all of them."""
        return self._client._list_pages(Payment, params)

    def capture(self, payment_id: str, **params: Unpack[CapturePayment]) -> Payment:
        """Take the money of a payment that was authorised. If no answer comes, the payment is
        read back, and returned if it shows that the money was taken."""
        return self._client._execute(operations.capture_payment(payment_id, params))

    def cancel(self, payment_id: str, **options: Unpack[CallOptions]) -> Payment:
        """End a payment that has taken no money. If no answer comes, the payment is read back."""
        return self._client._execute(operations.cancel_payment(payment_id, options))

    def refund(self, payment_id: str, **params: Unpack[RefundPayment]) -> Payment:
        """Give some or all of a payment back. Give a key: two refunds may both be right."""
        return self._client._execute(operations.refund_payment(payment_id, params))

    def confirm(self, payment_id: str, **params: Unpack[ConfirmPayment]) -> Payment:
        """Charge a payment that waited for it. If no answer comes, the payment is read back."""
        return self._client._execute(operations.confirm_payment(payment_id, params))


class Customers(_Service):
    """People and companies that pay."""

    def create(self, **params: Unpack[CreateCustomer]) -> Customer:
        """Save a customer."""
        operation = operations.create_customer(params)
        del params  # personal: error reporters print the locals of frames
        return self._client._execute(operation)

    def retrieve(self, customer_id: str, **options: Unpack[CallOptions]) -> Customer:
        """Return a customer as it is now."""
        return self._client._execute(operations.retrieve(Customer, customer_id, options))

    def update(self, customer_id: str, **params: Unpack[UpdateCustomer]) -> Customer:
        """Change the fields that are given."""
        operation = operations.update_customer(customer_id, params)
        del params  # personal: error reporters print the locals of frames
        return self._client._execute(operation)

    def delete(self, customer_id: str, **options: Unpack[CallOptions]) -> Customer:
        """Remove a customer; the answer has ``deleted`` and little else."""
        return self._client._execute(operations.delete(Customer, customer_id, options))

    def list(self, **params: Unpack[ListParameters]) -> Page[Customer]:
        """Return the newest customers; iterating walks through all of them."""
        return self._client._list_pages(Customer, params)


class WebhookEndpoints(_Service):
    """Addresses that PaySafer sends events to."""

    def create(self, **params: Unpack[CreateWebhookEndpoint]) -> WebhookEndpoint:
        """Have events sent to an address. Only this answer holds the signing ``secret``."""
        return self._client._execute(operations.create_webhook_endpoint(params))

    def list(self, **params: Unpack[ListParameters]) -> Page[WebhookEndpoint]:
        """Return the newest endpoints; iterating walks through all of them."""
        return self._client._list_pages(WebhookEndpoint, params)

    def retrieve(self, endpoint_id: str, **options: Unpack[CallOptions]) -> WebhookEndpoint:
        """Return an endpoint as it is now."""
        return self._client._execute(operations.retrieve(WebhookEndpoint, endpoint_id, options))

    def delete(self, endpoint_id: str, **options: Unpack[CallOptions]) -> WebhookEndpoint:
        """Remove an endpoint; the answer has ``deleted`` and little else."""
        return self._client._execute(operations.delete(WebhookEndpoint, endpoint_id, options))


class Tokens(_Service):
    """Card data that PaySafer keeps. Browsers make tokens; this is for tests and terminals."""

    def create(self, **params: Unpack[CreateToken]) -> Token:
        """Leave card data with PaySafer; sent with the publishable key."""
        operation = operations.create_token(params)
        del params  # personal: error reporters print the locals of frames
        return self._client._execute(operation)
