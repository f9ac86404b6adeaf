from __future__ import annotations

import subprocess
import sys

import pytest

import flask_paysafer

PUBLIC = {
    "PaySafer", "PaySaferClient", "AsyncPaySaferClient", "Webhook", "Event", "Payment", "Customer",
    "WebhookEndpoint", "Token", "Payout", "Dispute", "Page", "AsyncPage", "Money", "CheckoutOrder",
    "CheckoutState", "LineItem",
    "ApiProfile", "Charge", "Period", "SavedCard", "Subscription", "idempotency_key", "errors",
    "signals",
}  # fmt: skip


def test_the_public_names_are_these_and_no_others() -> None:
    assert set(flask_paysafer.__all__) == PUBLIC
    assert set(dir(flask_paysafer)) == PUBLIC


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_every_public_name_can_be_imported_and_is_documented(name: str) -> None:
    assert getattr(flask_paysafer, name).__doc__


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Paysafer'"):
        flask_paysafer.Paysafer  # noqa: B018 (the access is what is tested)


@pytest.mark.parametrize("what", ["import flask_paysafer", "from flask_paysafer import *"])
def test_importing_loads_nothing_heavy(what: str) -> None:
    heavy = {"sqlalchemy", "celery", "babel", "httpx", "flask_paysafer.sandbox"}
    heavy |= {"flask_paysafer.operator.views"}  # for the few processes that show the page
    code = f"{what}\nimport sys\nprint(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
