"""The state of one extension in one app: its settings, and the objects built from them.

One :class:`AppState` per app and extension name lives in
``app.extensions["paysafer"]``, so several apps and several accounts share
nothing. Whatever touches a database or the network is built at its first use:
a shop that only takes checkouts never runs a handler, and ``import`` loads
neither SQLAlchemy nor httpx.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import RLock
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from flask import Flask, current_app

from .config import Config
from .errors import ConfigurationError, PaySaferError
from .events import Event
from .resources import Resource
from .subscriptions.correlation import is_renewal
from .subscriptions.plans import Plans
from .webhooks.handlers import HandlerRegistry, call

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from .checkout.orders import CheckoutOrder
    from .checkout.service import Checkout
    from .client import AsyncPaySaferClient, PaySaferClient
    from .inbox.cards import CardStore
    from .inbox.local import LocalEvents
    from .inbox.store import Inbox
    from .subscriptions.objects import Subscription
    from .subscriptions.service import Subscriptions
    from .webhooks.runner import Backlog, Dispatcher, EventRun

T = TypeVar("T")

OrderLoader = Callable[[str], "CheckoutOrder | Awaitable[CheckoutOrder | None] | None"]
BeforePayment = Callable[..., object]
OperatorCheck = Callable[[], object]

_KEY = "paysafer"


@dataclass(eq=False)
class Registrations:
    """The functions that the merchant registered on the extension, shared by its apps."""

    handlers: HandlerRegistry = field(default_factory=HandlerRegistry)
    plans: Plans = field(default_factory=Plans)
    order_loader: OrderLoader | None = None
    before_payment: BeforePayment | None = None
    operator_check: OperatorCheck | None = None


class ClientOptions(NamedTuple):
    """Options of the API client that no setting can hold."""

    transport: Any = None
    async_transport: Any = None
    hooks: Sequence[Any] = ()


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(eq=False, repr=False, kw_only=True)
class AppState:
    """This app's objects of one extension."""

    app: Flask
    config: Config
    registrations: Registrations
    client_options: ClientOptions = field(default_factory=ClientOptions)
    db: Any = None
    host: str | None = None
    subdomain: str | None = None
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    _lock: RLock = field(default_factory=RLock)
    _built: dict[str, Any] = field(default_factory=dict)

    @property
    def registry(self) -> HandlerRegistry:
        """The merchant's handlers."""
        return self.registrations.handlers

    @property
    def client(self) -> PaySaferClient:
        """The API client, by the settings.

        :raises ConfigurationError: without a secret key.
        """
        return self._once("client", self._make_client)

    @property
    def async_client(self) -> AsyncPaySaferClient:
        """The same, for ``async`` views.

        :raises ConfigurationError: without a secret key.
        """
        return self._once("async_client", self._make_async_client)

    @property
    def inbox(self) -> Inbox:
        """Where events are kept. No database is touched before its first use."""
        return self._once("inbox", self._open_inbox)

    @property
    def event_run(self) -> EventRun:
        """Runs an event's handlers."""
        return self._once("event_run", self._make_event_run)

    @property
    def backlog(self) -> Backlog:
        """Processes stored events; with Celery it retries the failed ones."""
        return self._once("backlog", self._make_backlog)

    @property
    def dispatcher(self) -> Dispatcher:
        """Takes stored events to their handlers, as ``PAYSAFER_DISPATCH`` says."""
        return self._once("dispatcher", self._make_dispatcher)

    @property
    def local_events(self) -> LocalEvents:
        """Writes events of our own, such as ``subscription.renewed``."""
        return self._once("local_events", self._make_local_events)

    @property
    def checkout(self) -> Checkout:
        """Decides about payments of orders."""
        return self._once("checkout", self._make_checkout)

    @property
    def cards(self) -> CardStore:
        """The cards that customers saved."""
        return self._once("cards", self._make_cards)

    @property
    def subscriptions(self) -> Subscriptions:
        """The subscriptions of this account."""
        return self._once("subscriptions", self._make_subscriptions)

    def now(self) -> datetime:
        """Return the time by the application's clock, in UTC."""
        return self.clock()

    def use_transport(self, transport: Any, async_transport: Any) -> None:
        """Give the API clients other transports, such as those of a sandbox in the test's process.

        :raises ConfigurationError: if a client was used already, for it keeps its transport.
        """
        if self._built.keys() & {"client", "async_client", "checkout"}:
            raise ConfigurationError(
                "The app's API client was used already. Join the app to the sandbox right after "
                "the app is made."
            )
        self.client_options = self.client_options._replace(
            transport=transport, async_transport=async_transport
        )

    def _once(self, name: str, make: Callable[[], T]) -> T:
        if name not in self._built:
            with self._lock:
                if name not in self._built:
                    self._built[name] = make()
        built: T = self._built[name]
        return built

    def _make_client(self) -> PaySaferClient:
        from .client import PaySaferClient

        return PaySaferClient(**self._client_arguments(), transport=self.client_options.transport)

    def _make_async_client(self) -> AsyncPaySaferClient:
        from .client import AsyncPaySaferClient

        return AsyncPaySaferClient(
            **self._client_arguments(), transport=self.client_options.async_transport
        )

    def _client_arguments(self) -> dict[str, Any]:
        config = self.config
        if config.secret_key is None:
            raise ConfigurationError(
                f"{config.setting('SECRET_KEY')} is not set: calls to PaySafer need the secret "
                "key (sk_test_… or sk_live_…)."
            )
        return {
            "secret_key": config.secret_key,
            "publishable_key": config.publishable_key,
            "base_url": config.api_base,
            "api_version": config.api_version,
            "timeout": config.timeout,
            "deadline": config.deadline,
            "max_retries": config.max_retries,
            "hooks": tuple(self.client_options.hooks),
            "profile": config.profile,
        }

    def _open_inbox(self) -> Inbox:
        from .inbox import open_inbox

        return open_inbox(self.config, self.app, db=self.db)

    def _make_event_run(self) -> EventRun:
        from .webhooks.runner import EventRun

        return EventRun(
            self.app, self.registry, self.inbox, db=self.db, retrieve=self.retrieve_object
        )

    def _make_dispatcher(self) -> Dispatcher:
        if self.config.dispatch == "celery":
            from .webhooks.celery import CeleryDispatcher, Publisher, Waker

            publisher = Publisher(self.app, account=self.config.name)
            waker = Waker(self.inbox, publisher, lost_after=self.config.sweep_interval)
            return CeleryDispatcher(self.event_run, self.inbox, waker)
        from .webhooks.runner import InlineDispatcher

        return InlineDispatcher(self.event_run, self.inbox, self.backlog)

    def _make_backlog(self) -> Backlog:
        from .webhooks.runner import Backlog

        config = self.config
        return Backlog(
            self.event_run,
            self.inbox,
            max_attempts=config.handler_max_attempts,
            retry_base=config.handler_retry_base if config.dispatch == "celery" else None,
            local_retry_base=config.handler_retry_base,
        )

    def _make_local_events(self) -> LocalEvents:
        from .inbox.local import LocalEvents

        run = self.event_run
        return LocalEvents(
            self.inbox,
            livemode=self.config.livemode,
            is_wanted=run.jobs.wants,
            announce=run.announce,
            handle=self.dispatcher.handle_local,
        )

    def _make_checkout(self) -> Checkout:
        from .checkout.service import Checkout
        from .inbox.checkouts import CheckoutStore

        return Checkout(
            app=self.app,
            config=self.config,
            client=self.client,
            store=CheckoutStore(
                self.inbox.database,
                account=self.config.name,
                seal=self.inbox.seal,
                events=self.local_events,
            ),
            cards=self.cards,
            load_order=self.load_order,
            before_payment=self.registrations.before_payment,
            shop_connection=None if self.db is None else self._shop_connection,
            undo=self._undo,
        )

    def _make_cards(self) -> CardStore:
        from .inbox.cards import CardStore

        return CardStore(self.inbox.database, account=self.config.name, clock=self.now)

    def _make_subscriptions(self) -> Subscriptions:
        from .subscriptions.opening import open_subscriptions

        return open_subscriptions(
            self.app,
            self.config,
            self.registrations.plans,
            self.inbox,
            self.client,
            self.cards,
            self.local_events,
            clock=self.now,
        )

    def _shop_connection(self) -> Connection:
        from .inbox.merchant import current_session

        # By the bind, so that a session that sends reads elsewhere finds the inbox's database.
        bind = self.inbox.database.bind
        return current_session(self.db).connection(bind_arguments={"bind": bind})

    def _undo(self) -> None:
        """Make the shop's session usable again after the database refused what was asked."""
        from .inbox.merchant import current_session

        if self.db is not None:
            current_session(self.db).rollback()

    def load_order(self, reference: str) -> CheckoutOrder | None:
        """Ask the merchant's order loader.

        :raises ConfigurationError: if none is registered.
        """
        if self.registrations.order_loader is None:
            raise ConfigurationError(
                "The checkout has no order loader. Register a function that returns a "
                "CheckoutOrder for a reference with @paysafer.order_loader."
            )
        order: CheckoutOrder | None = call(self.registrations.order_loader, reference)
        return order

    def on_stored(self, event: Event) -> None:
        """Update the checkout of a new payment event, so that its page need not ask the API."""
        if not event.type.startswith("payment."):
            return
        if is_renewal(event.data):
            self.subscriptions.note_event(event)
        elif self.registrations.order_loader is not None:
            self.checkout.note_event(event)

    def sweep_checkouts(self) -> int:
        """End the checkouts that have expired, or were closed while PaySafer was away.

        :returns: How many orders were looked at.
        """
        if self.registrations.order_loader is None or self.config.secret_key is None:
            return 0
        return self.checkout.sweep()

    def order_for(self, event: Event, *, partial: bool = False) -> CheckoutOrder | None:
        """Return the order that a payment's event is for; None for a renewal's payment."""
        if is_renewal(event.data):
            return None
        return self.checkout.order_for(event, partial=partial)

    def subscription_for(self, event: Event) -> Subscription | None:
        """Return the subscription that an event is about, read in the shop's own transaction."""
        within = None if self.db is None else self._shop_connection()
        return self.subscriptions.subscription_for(event, within=within)

    def retrieve_object(self, event: Event) -> Resource:
        """Return an event's object as it is at the API now.

        :raises PaySaferError: for an object that PaySafer documents no call for.
        """
        kind, found_id = event.data.get("object"), event.data["id"]
        if kind == "payment":
            return self.client.payments.retrieve(found_id)
        if kind == "customer":
            return self.client.customers.retrieve(found_id)
        raise PaySaferError(
            f"PaySafer documents no call that retrieves the object of a {event.type} event; "
            "use event.data."
        )


def states(app: Flask) -> Mapping[str, AppState]:
    """Return every extension's state in ``app``, by the extension's name."""
    found: Mapping[str, AppState] = app.extensions.get(_KEY, {})
    return found


def get_state(app: Flask | None = None, name: str = "paysafer") -> AppState:
    """Return the state of the extension called ``name`` in ``app``.

    :param app: Without one, the current app.
    :raises ConfigurationError: if ``init_app`` was not called for it.
    """
    app = app or current_app
    try:
        return states(app)[name]
    except KeyError:
        raise ConfigurationError(
            f"The app has no PaySafer extension called {name!r}. Did you forget to call "
            "paysafer.init_app(app)?"
        ) from None


def add_state(state: AppState) -> None:
    """Put ``state`` into its app.

    :raises ConfigurationError: if the app has one of that name already.
    """
    held = state.app.extensions.setdefault(_KEY, {})
    if state.config.name in held:
        raise ConfigurationError(
            f"A PaySafer extension called {state.config.name!r} is already registered on this "
            "app. Call init_app once, or give the second account a name: PaySafer(name=…)."
        )
    held[state.config.name] = state
