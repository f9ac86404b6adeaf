"""The calls of the API: one table, from which the routes and the description are made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .fields import (
    CANCEL_PAYMENT,
    CAPTURE_PAYMENT,
    CONFIRM_PAYMENT,
    CREATE_CUSTOMER,
    CREATE_ENDPOINT,
    CREATE_PAYMENT,
    CREATE_TOKEN,
    LIST_QUERY,
    NO_QUERY,
    REFUND_PAYMENT,
    UPDATE_CUSTOMER,
    Record,
)
from .payments import (
    cancel_payment,
    capture_payment,
    confirm_payment,
    create_payment,
    create_token,
    refund_payment,
    retrieve_payment,
)
from .resources import (
    Account,
    Result,
    create_customer,
    create_endpoint,
    delete_customer,
    delete_endpoint,
    list_page,
    retrieve_customer,
    retrieve_endpoint,
    update_customer,
)


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
    query: Record = NO_QUERY
    is_documented: bool = True
    """Whether PaySafer's own pages name it; everything else is assumed."""
    takes_publishable_key: bool = False
    """Whether browsers may call it: then it also answers them across origins."""

    @property
    def tag(self) -> str:
        """What the header ``PaySafer-Sandbox`` says."""
        return "documented" if self.is_documented else "assumed"


def _listing(kind: str) -> Callable[[Account, dict[str, Any]], Result]:
    return lambda account, query: Result(list_page(account.table(kind), query))


ROUTES = (
    Route(
        "POST",
        "/v1/payments",
        "createPayment",
        "Create a payment",
        create_payment,
        "Payment",
        body=CREATE_PAYMENT,
    ),
    Route(
        "GET",
        "/v1/payments",
        "listPayments",
        "List payments, newest first",
        _listing("payment"),
        "PaymentList",
        query=LIST_QUERY,
    ),
    Route(
        "GET",
        "/v1/payments/<id>",
        "retrievePayment",
        "Retrieve a payment",
        retrieve_payment,
        "Payment",
    ),
    Route(
        "POST",
        "/v1/payments/<id>/capture",
        "capturePayment",
        "Take the reserved money, or a part of it",
        capture_payment,
        "Payment",
        body=CAPTURE_PAYMENT,
    ),
    Route(
        "POST",
        "/v1/payments/<id>/cancel",
        "cancelPayment",
        "End a payment that took no money",
        cancel_payment,
        "Payment",
        body=CANCEL_PAYMENT,
    ),
    Route(
        "POST",
        "/v1/payments/<id>/refund",
        "refundPayment",
        "Give back the money, or a part of it",
        refund_payment,
        "Payment",
        body=REFUND_PAYMENT,
    ),
    Route(
        "POST",
        "/v1/payments/<id>/confirm",
        "confirmPayment",
        "Charge a payment that waited for it, or failed before",
        confirm_payment,
        "Payment",
        body=CONFIRM_PAYMENT,
        is_documented=False,
        takes_publishable_key=True,
    ),
    Route(
        "POST",
        "/v1/customers",
        "createCustomer",
        "Create a customer",
        create_customer,
        "Customer",
        body=CREATE_CUSTOMER,
    ),
    Route(
        "GET",
        "/v1/customers",
        "listCustomers",
        "List customers, newest first",
        _listing("customer"),
        "CustomerList",
        query=LIST_QUERY,
    ),
    Route(
        "GET",
        "/v1/customers/<id>",
        "retrieveCustomer",
        "Retrieve a customer",
        retrieve_customer,
        "Customer",
    ),
    Route(
        "PATCH",
        "/v1/customers/<id>",
        "updateCustomer",
        "Change a customer",
        update_customer,
        "Customer",
        body=UPDATE_CUSTOMER,
    ),
    Route(
        "DELETE",
        "/v1/customers/<id>",
        "deleteCustomer",
        "Delete a customer",
        delete_customer,
        "Deleted",
    ),
    Route(
        "POST",
        "/v1/webhook-endpoints",
        "createWebhookEndpoint",
        "Register an address for webhooks",
        create_endpoint,
        "NewWebhookEndpoint",
        body=CREATE_ENDPOINT,
    ),
    Route(
        "GET",
        "/v1/webhook-endpoints",
        "listWebhookEndpoints",
        "List webhook endpoints, newest first",
        _listing("webhook_endpoint"),
        "WebhookEndpointList",
        query=LIST_QUERY,
    ),
    Route(
        "GET",
        "/v1/webhook-endpoints/<id>",
        "retrieveWebhookEndpoint",
        "Retrieve a webhook endpoint",
        retrieve_endpoint,
        "WebhookEndpoint",
    ),
    Route(
        "DELETE",
        "/v1/webhook-endpoints/<id>",
        "deleteWebhookEndpoint",
        "Delete a webhook endpoint",
        delete_endpoint,
        "Deleted",
    ),
    Route(
        "POST",
        "/v1/tokens",
        "createToken",
        "Make a token of a card, from a browser",
        create_token,
        "Token",
        body=CREATE_TOKEN,
        is_documented=False,
        takes_publishable_key=True,
    ),
)
