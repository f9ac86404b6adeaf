"""Put one account's subscriptions together from the app's objects."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from flask import Flask

from ..checkout.payments import installation_id
from ..checkout.service import Checkout
from ..config import Config
from ..errors import ConfigurationError
from ..inbox.checkouts import CheckoutStore
from .charging import Charging
from .correlation import subject_of
from .links import PaymentLinks
from .plans import Plans
from .renewals import Renewals
from .service import Subscriptions
from .store import SubscriptionStore

if TYPE_CHECKING:
    from ..client import PaySaferClient
    from ..inbox.cards import CardStore
    from ..inbox.local import LocalEvents
    from ..inbox.store import Inbox


def open_subscriptions(
    app: Flask,
    config: Config,
    plans: Plans,
    inbox: Inbox,
    client: PaySaferClient,
    cards: CardStore,
    events: LocalEvents,
    *,
    clock: Callable[[], datetime],
) -> Subscriptions:
    """Return the subscriptions of one extension in one app. No database is touched yet.

    :raises ConfigurationError: without ``SECRET_KEY``, which signs payment links.
    """
    if not app.secret_key:
        raise ConfigurationError(
            "Subscriptions need the app's SECRET_KEY: it signs payment links. Set it to a long "
            "random value that all workers share."
        )
    # A name that no extension can have: no order of the shop has a renewal's reference or key.
    name = f"{config.name}:renewals"
    mark = installation_id(app.secret_key, name)
    attempts = CheckoutStore(inbox.database, account=name, seal=inbox.seal)
    charging = Charging(
        client,
        attempts,
        cards,
        deadline=config.deadline,
        key_life=config.profile.key_life,
        mark=mark,
    )
    store = SubscriptionStore(inbox.database, account=config.name)
    links = PaymentLinks(app, config)
    renewals = Renewals(
        app,
        plans,
        store,
        charging,
        events,
        links,
        mark=mark,
        pace=Pace(client, reserve=config.rate_reserve).wait,
    )
    checkout = Checkout(
        app=app,
        config=replace(config, name=name),
        client=client,
        store=attempts,
        cards=cards,
        load_order=_no_order,
        undo=_nothing,
        subject=subject_of,
    )
    return Subscriptions(store, plans, renewals, charging, links, attempts, checkout, clock=clock)


def _no_order(_: str) -> None:
    """Periods have no order loader: the page gets their orders from the subscription."""


def _nothing() -> None:
    """Undo nothing: no session of the shop's is used."""


class Pace:
    """Keeps a run of renewals below the API's rate limit.

    :param reserve: How many calls of a window are left to the shop's customers; None: a fifth.
    """

    def __init__(
        self,
        client: PaySaferClient,
        *,
        reserve: int | None = None,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._reserve = reserve
        self._clock = clock
        self._sleep = sleep

    def wait(self) -> None:
        """Wait until a call fits."""
        limit = self._client.rate_limit
        if limit is None or limit.reset_at is None:
            return
        reserve = limit.limit // 5 if self._reserve is None else self._reserve
        if limit.remaining > reserve:
            return
        self._sleep(max(0.0, min(60.0, limit.reset_at.timestamp() - self._clock())))
