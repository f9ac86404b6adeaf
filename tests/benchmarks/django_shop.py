"""A Django project with dj-stripe on SQLite, as its documentation sets it up.

It is spared what would need the network: the account is known, as after a first
synchronisation, and the events are of a type whose object dj-stripe does not fetch.
"""

from __future__ import annotations

import itertools
import json
import time
from typing import TYPE_CHECKING, Any

import django
import stripe
from django.conf import settings
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application

from .shops import Delivery, Door, Fulfil

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

SECRET = "whsec_benchmarks0123456789"
_KEY = f"sk_test_{'1' * 24}"
_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "djstripe"]
_EVENT_TYPE = "topup.succeeded"
_numbers = itertools.count(1)


def open_door(file: str, fulfil: Fulfil) -> Door:
    """Return the door of a project whose database is ``file``. Django allows one a process."""
    settings.configure(
        SECRET_KEY="benchmarks",
        ALLOWED_HOSTS=["localhost"],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": file}},
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        DJSTRIPE_FOREIGN_KEY_TO_FIELD="id",
        INSTALLED_APPS=_APPS,
        MIGRATION_MODULES={
            app.rpartition(".")[2]: None for app in _APPS
        },  # the same tables, sooner
        STRIPE_API_HOST="http://127.0.0.1:9",  # nothing listens there: no call can get out
        STRIPE_LIVE_MODE=False,
        STRIPE_TEST_SECRET_KEY=_KEY,
        USE_TZ=True,
    )
    django.setup()
    settings.ROOT_URLCONF = _routes()
    call_command("migrate", run_syncdb=True, verbosity=0)
    _register(fulfil)
    application: WSGIApplication = get_wsgi_application()
    return Door(application, path=f"/stripe/webhook/{_endpoint()}/", header="Stripe-Signature")


def _routes() -> tuple[Any, ...]:
    from django.urls import include, path

    return (path("stripe/", include("djstripe.urls", namespace="djstripe")),)


def _register(fulfil: Fulfil) -> None:
    from djstripe.signals import WEBHOOK_SIGNALS

    WEBHOOK_SIGNALS[_EVENT_TYPE].connect(lambda event, **_: fulfil(event), weak=False)


def _endpoint() -> str:
    from djstripe.models import Account, APIKey, WebhookEndpoint

    account = Account.objects.create(id="acct_1")
    key, _ = APIKey.objects.get_or_create_by_api_key(_KEY)
    key.djstripe_owner_account = account
    key.save()
    endpoint = WebhookEndpoint.objects.create(
        id="we_1",
        url="https://shop.example/",
        secret=SECRET,
        enabled_events=["*"],
        status="enabled",
        livemode=False,
        api_version="2024-01-01",
        djstripe_owner_account=account,
    )
    return str(endpoint.djstripe_uuid)


def delivery() -> Delivery:
    """Return a delivery of an event that was never sent before, of about 400 bytes."""
    event = {
        "id": f"evt_{time.time_ns():x}_{next(_numbers)}",
        "object": "event",
        "type": _EVENT_TYPE,
        "api_version": "2024-01-01",
        "created": 1709472000,
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": None, "idempotency_key": None},
        "data": {
            "object": {
                "id": "tu_1NRv2H2eZvKYlo2CkMzPF4fS",
                "object": "topup",
                "amount": 15000,
                "currency": "aed",
                "status": "succeeded",
                "metadata": {"order_0000": "value_000000"},
                "livemode": False,
            }
        },
    }
    body = json.dumps(event)
    header = stripe.WebhookSignature.generate_signature_header(body, SECRET)
    return Delivery(body.encode(), header)
