"""The calls of the API: one table, from which the routes and the OpenAPI file are made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import fields
from .cards import create_token
from .fields import Record
from .payments import (
    cancel_payment,
    capture_payment,
    confirm_payment,
    create_payment,
    refund_payment,
)
from .resources import (
    Account,
    Result,
    create_customer,
    create_endpoint,
    delete_customer,
    delete_endpoint,
    list_page,
    update_customer,
)
from .store import shown

Operation = Callable[..., Result]
"""Gets the account, the ids of the path, and the checked body or query."""


@dataclass(frozen=True)
class Route:
    """One call."""

    method: str
    path: str
    """As Flask writes it, ``/v1`` included."""
    name: str
    """The operation's id in the OpenAPI file."""
    summary: str
    operation: Operation
    answer: str
    """The name of the answer's schema in the OpenAPI file."""
    body: Record | None = None
    query: Record = fields.NO_QUERY
    is_documented: bool = True
    """Whether PaySafer's own pages name it; everything else is assumed."""
    takes_publishable_key: bool = False
    """Whether browsers may call it: then it also answers them across origins."""

    @property
    def tag(self) -> str:
        """The value of the header ``PaySafer-Sandbox``."""
        return "documented" if self.is_documented else "assumed"


def _documented(
    call: str,
    name: str,
    summary: str,
    operation: Operation,
    answer: str,
    body: Record | None = None,
) -> Route:
    method, path = call.split()
    query = fields.LIST_QUERY if answer.endswith("List") else fields.NO_QUERY
    return Route(method, f"/v1{path}", name, summary, operation, answer, body, query)


def _for_browsers(
    path: str, name: str, summary: str, operation: Operation, answer: str, body: Record
) -> Route:
    return Route(
        "POST",
        f"/v1{path}",
        name,
        summary,
        operation,
        answer,
        body,
        is_documented=False,
        takes_publishable_key=True,
    )


def _list(kind: str) -> Operation:
    def list_rows(account: Account, query: dict[str, Any]) -> Result:
        return Result(list_page(account.table(kind), query))

    return list_rows


def _retrieve(kind: str) -> Operation:
    def retrieve_row(account: Account, row_id: str) -> Result:
        return Result(shown(account.find(kind, row_id)))

    return retrieve_row


_PAYMENT, _CUSTOMER, _ENDPOINT = "/payments/<id>", "/customers/<id>", "/webhook-endpoints/<id>"

# fmt: off
ROUTES = (
    _documented("POST /payments", "createPayment",
                "Create a payment", create_payment, "Payment", fields.CREATE_PAYMENT),
    _documented("GET /payments", "listPayments",
                "List payments, newest first", _list("payment"), "PaymentList"),
    _documented(f"GET {_PAYMENT}", "retrievePayment",
                "Retrieve a payment", _retrieve("payment"), "Payment"),
    _documented(f"POST {_PAYMENT}/capture", "capturePayment",
                "Capture the authorised amount, or less", capture_payment, "Payment",
                fields.CAPTURE_PAYMENT),
    _documented(f"POST {_PAYMENT}/cancel", "cancelPayment",
                "Cancel a payment that took no money", cancel_payment, "Payment",
                fields.CANCEL_PAYMENT),
    _documented(f"POST {_PAYMENT}/refund", "refundPayment",
                "Refund a payment in full or in part", refund_payment, "Payment",
                fields.REFUND_PAYMENT),
    _for_browsers(f"{_PAYMENT}/confirm", "confirmPayment",
                  "Charge a payment that waited for it, or failed before", confirm_payment,
                  "Payment", fields.CONFIRM_PAYMENT),
    _documented("POST /customers", "createCustomer",
                "Create a customer", create_customer, "Customer", fields.CUSTOMER),
    _documented("GET /customers", "listCustomers",
                "List customers, newest first", _list("customer"), "CustomerList"),
    _documented(f"GET {_CUSTOMER}", "retrieveCustomer",
                "Retrieve a customer", _retrieve("customer"), "Customer"),
    _documented(f"PATCH {_CUSTOMER}", "updateCustomer",
                "Change a customer", update_customer, "Customer", fields.CUSTOMER),
    _documented(f"DELETE {_CUSTOMER}", "deleteCustomer",
                "Delete a customer", delete_customer, "Deleted"),
    _documented("POST /webhook-endpoints", "createWebhookEndpoint",
                "Register an address for webhooks", create_endpoint, "NewWebhookEndpoint",
                fields.CREATE_ENDPOINT),
    _documented("GET /webhook-endpoints", "listWebhookEndpoints",
                "List webhook endpoints, newest first", _list("webhook_endpoint"),
                "WebhookEndpointList"),
    _documented(f"GET {_ENDPOINT}", "retrieveWebhookEndpoint",
                "Retrieve a webhook endpoint", _retrieve("webhook_endpoint"), "WebhookEndpoint"),
    _documented(f"DELETE {_ENDPOINT}", "deleteWebhookEndpoint",
                "Delete a webhook endpoint", delete_endpoint, "Deleted"),
    _for_browsers("/tokens", "createToken",
                  "Make a token of a card, from a browser", create_token, "Token",
                  fields.CREATE_TOKEN),
)
# fmt: on
