"""The calls of the API: one table, from which the routes and the description are made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import customers, endpoints, methods, payments, shapes
from .account import Account, Result
from .fields import Record
from .pages import page


@dataclass(frozen=True)
class Route:
    """One call."""

    method: str
    path: str
    """As Flask writes it, ``/v1`` included."""
    name: str
    """The operation's id in the description."""
    summary: str
    operation: Callable[..., Result]
    """Gets the account, the ids of the path, and the checked body or query."""
    answer: str
    """The name of the answer's schema in the description."""
    body: Record | None = None
    query: Record = shapes.NO_QUERY
    is_documented: bool = True
    """Whether PaySafer's own pages name it; everything else is assumed."""
    takes_publishable_key: bool = False
    """Whether browsers may call it: then it also answers them across origins."""

    @property
    def tag(self) -> str:
        """What the header ``PaySafer-Sandbox`` says."""
        return "documented" if self.is_documented else "assumed"


def _listing(kind: str) -> Callable[[Account, dict[str, Any]], Result]:
    return lambda account, query: Result(page(account.shelf(kind), query))


ROUTES = (
    Route(
        "POST",
        "/v1/payments",
        "createPayment",
        "Create a payment",
        payments.create,
        "Payment",
        body=shapes.CREATE_PAYMENT,
    ),
    Route(
        "GET",
        "/v1/payments",
        "listPayments",
        "List payments, newest first",
        _listing("payment"),
        "PaymentList",
        query=shapes.LIST_QUERY,
    ),
    Route(
        "GET",
        "/v1/payments/<id>",
        "retrievePayment",
        "Retrieve a payment",
        payments.retrieve,
        "Payment",
    ),
    Route(
        "POST",
        "/v1/payments/<id>/capture",
        "capturePayment",
        "Take the reserved money, or a part of it",
        payments.capture,
        "Payment",
        body=shapes.CAPTURE_PAYMENT,
    ),
    Route(
        "POST",
        "/v1/payments/<id>/cancel",
        "cancelPayment",
        "End a payment that took no money",
        payments.cancel,
        "Payment",
        body=shapes.CANCEL_PAYMENT,
    ),
    Route(
        "POST",
        "/v1/payments/<id>/refund",
        "refundPayment",
        "Give back the money, or a part of it",
        payments.refund,
        "Payment",
        body=shapes.REFUND_PAYMENT,
    ),
    Route(
        "POST",
        "/v1/payments/<id>/confirm",
        "confirmPayment",
        "Charge a payment that waited for it, or failed before",
        payments.confirm,
        "Payment",
        body=shapes.CONFIRM_PAYMENT,
        is_documented=False,
        takes_publishable_key=True,
    ),
    Route(
        "POST",
        "/v1/customers",
        "createCustomer",
        "Create a customer",
        customers.create,
        "Customer",
        body=shapes.CREATE_CUSTOMER,
    ),
    Route(
        "GET",
        "/v1/customers",
        "listCustomers",
        "List customers, newest first",
        _listing("customer"),
        "CustomerList",
        query=shapes.LIST_QUERY,
    ),
    Route(
        "GET",
        "/v1/customers/<id>",
        "retrieveCustomer",
        "Retrieve a customer",
        customers.retrieve,
        "Customer",
    ),
    Route(
        "PATCH",
        "/v1/customers/<id>",
        "updateCustomer",
        "Change a customer",
        customers.update,
        "Customer",
        body=shapes.UPDATE_CUSTOMER,
    ),
    Route(
        "DELETE",
        "/v1/customers/<id>",
        "deleteCustomer",
        "Delete a customer",
        customers.delete,
        "Deleted",
    ),
    Route(
        "POST",
        "/v1/webhook-endpoints",
        "createWebhookEndpoint",
        "Register an address for webhooks",
        endpoints.create,
        "NewWebhookEndpoint",
        body=shapes.CREATE_ENDPOINT,
    ),
    Route(
        "GET",
        "/v1/webhook-endpoints",
        "listWebhookEndpoints",
        "List webhook endpoints, newest first",
        _listing("webhook_endpoint"),
        "WebhookEndpointList",
        query=shapes.LIST_QUERY,
    ),
    Route(
        "GET",
        "/v1/webhook-endpoints/<id>",
        "retrieveWebhookEndpoint",
        "Retrieve a webhook endpoint",
        endpoints.retrieve,
        "WebhookEndpoint",
    ),
    Route(
        "DELETE",
        "/v1/webhook-endpoints/<id>",
        "deleteWebhookEndpoint",
        "Delete a webhook endpoint",
        endpoints.delete,
        "Deleted",
    ),
    Route(
        "POST",
        "/v1/tokens",
        "createToken",
        "Make a token of a card, from a browser",
        methods.create_token,
        "Token",
        body=shapes.CREATE_TOKEN,
        is_documented=False,
        takes_publishable_key=True,
    ),
)
