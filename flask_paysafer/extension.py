"""The extension: joins PaySafer's parts to a Flask app."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeVar
from weakref import WeakSet

from flask import Blueprint, Flask, has_app_context

from .checkout.rendering import add_template_helpers
from .checkout.views import add_checkout_routes
from .config import Config, load_config
from .errors import ConfigurationError
from .operator import add_operator_routes
from .profile import ApiProfile
from .state import (
    AppState,
    BeforePayment,
    ClientOptions,
    OperatorCheck,
    OrderLoader,
    Registrations,
    add_state,
    get_state,
)
from .subscriptions.pages import add_pay_routes
from .webhooks.view import add_webhook_routes

if TYPE_CHECKING:
    from .checkout.orders import CheckoutOrder
    from .checkout.phases import CheckoutState
    from .client import AsyncPaySaferClient, PaySaferClient
    from .events import Event
    from .inbox.cards import CardStore
    from .inbox.store import Inbox
    from .resources import Payment
    from .subscriptions.objects import Subscription
    from .subscriptions.service import Subscriptions

HandlerT = TypeVar("HandlerT", bound=Callable[..., Any])
LoaderT = TypeVar("LoaderT", bound=OrderLoader)
GateT = TypeVar("GateT", bound=BeforePayment)
CheckT = TypeVar("CheckT", bound=OperatorCheck)
PlanT = TypeVar("PlanT", bound=Callable[..., Any])


class PaySafer:
    """Payments through PaySafer for a Flask app.

    Make one at module level, register handlers on it, and join it to the app in
    the factory with :meth:`init_app`. One object serves several apps: it means the
    current one, or, outside of any app's context, the only one it was joined to.

    :param app: Joined at once; else call :meth:`init_app`.
    :param db: The shop's Flask-SQLAlchemy or Flask-SQLAlchemy-Lite object. The
        inbox then lives in the shop's own database, and a handler's writes through
        ``db.session`` are committed together with the note that it is done:
        exactly once, even if the process is killed.
    :param name: The account, where an app has several: ``"paysafer_eu"`` reads
        ``PAYSAFER_EU_…`` and has its own routes and its own part of the inbox.
    :param transport: An httpx transport for :attr:`client`, such as a proxy or a mock.
    :param async_transport: The same for :attr:`async_client`.
    :param hooks: Called with a record of every attempt of every API call.
    :param profile: What PaySafer's API looks like where it is not as assumed, instead of
        ``PAYSAFER_API_PROFILE``.
    :param host: The host of the routes, where the app has ``host_matching``; its
        ``SERVER_NAME`` by default.
    :param subdomain: The subdomain of the routes, where the app has ``subdomain_matching``.
    """

    def __init__(
        self,
        app: Flask | None = None,
        *,
        db: Any = None,
        name: str = "paysafer",
        transport: Any = None,
        async_transport: Any = None,
        hooks: Sequence[Any] = (),
        profile: ApiProfile | None = None,
        host: str | None = None,
        subdomain: str | None = None,
    ) -> None:
        self.name = name
        self._host = host
        self._subdomain = subdomain
        self._profile = None if profile is None else ApiProfile.of(profile)
        self._db = db
        self._registrations = Registrations()
        self._client_options = ClientOptions(
            transport=transport, async_transport=async_transport, hooks=hooks
        )
        self._apps: WeakSet[Flask] = WeakSet()
        if db is not None:
            _check_database(db)
            _show_tables_to_migrations(db)
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Read the settings and add routes, commands and template helpers to ``app``.

        Settings come from ``app.config``, else from environment variables of the
        same name; every one is described in the docs' settings page.

        :raises ConfigurationError: for a setting that is wrong, or if this name is
            already registered on ``app``.
        """
        config = load_config(
            app.config,
            os.environ,
            name=self.name,
            testing=app.testing,
            profile=self._profile,
            root=app.root_path,
        )
        if self._db is not None and config.inbox_url is not None:
            raise ConfigurationError(
                f"{config.setting('INBOX_URL')} is set, and PaySafer(db=…) keeps the inbox in the "
                "shop's own database. Remove one of them."
            )
        state = AppState(
            app=app,
            config=config,
            registrations=self._registrations,
            client_options=self._client_options,
            db=self._db,
            host=_route_host(app, self._host),
            subdomain=self._subdomain,
        )
        add_state(state)
        self._registrations.handlers.note_app()
        self._apps.add(app)
        if config.dispatch == "celery":
            _attach_celery(state)
        app.register_blueprint(_create_blueprint(state))
        _add_commands(app)

    def on(
        self,
        *types: str,
        name: str | None = None,
        unknown_ok: bool = False,
        stale: Literal["skip"] | None = None,
    ) -> Callable[[HandlerT], HandlerT]:
        """Register a handler: a function of one event that must succeed.

        Handlers are held strongly and run in registration order, each alone: one
        that fails doesn't stop the others, and what is done is not done again.

        :param types: Exact types (``"payment.completed"``), ``"payment.*"``, or ``"*"``.
        :param name: Its executions are recorded under it; ``module.qualname`` by default. Keep
            it when you rename the function, or events that are not done run it anew.
        :param unknown_ok: Accept a type that PaySafer does not document (yet).
        :param stale: ``"skip"`` skips an event older than one already handled for the
            same object.
        :raises ConfigurationError: for a misspelt type, or a name that another
            function has.
        """
        return self._registrations.handlers.on(
            *types, name=name, unknown_ok=unknown_ok, stale=stale
        )

    def plan(
        self,
        name: str,
        *,
        every: str,
        tz: str = "UTC",
        retry_after: Sequence[str] = ("1 day", "3 days", "5 days"),
        at_end: Literal["cancel", "past_due", "pause"] = "cancel",
        catch_up: Literal["latest", "all"] = "latest",
    ) -> Callable[[PlanT], PlanT]:
        """Register a plan: a function that says what a subscription costs in a period.

        It is called as ``function(subscription, period)``, or with the subscription alone,
        once for each period and in an app context, and returns a
        :class:`~flask_paysafer.Charge`, or None where nothing is due.

        :param name: What subscriptions call it; up to 64 characters.
        :param every: A period's length, such as ``"1 month"``: a whole number and ``day``,
            ``week``, ``month`` or ``year``.
        :param tz: The IANA time zone whose calendar counts.
        :param retry_after: How long after a declined attempt the next one follows; hours too.
        :param at_end: When the last retry was declined: ``"cancel"`` the subscription, leave
            it ``"past_due"``, or ``"pause"`` it.
        :param catch_up: After an outage, charge the ``"latest"`` period that began, or
            ``"all"`` of them.
        :raises ConfigurationError: for terms that can't be used, or a name that another
            function has.
        """

        def register(function: PlanT) -> PlanT:
            self._registrations.plans.register(
                name,
                function,
                every=every,
                tz=tz,
                retry_after=retry_after,
                at_end=at_end,
                catch_up=catch_up,
            )
            return function

        return register

    def order_loader(self, function: LoaderT) -> LoaderT:
        """Register the function that says what an order costs.

        It is called as ``function(reference)`` in the request and returns a
        :class:`~flask_paysafer.CheckoutOrder`, or None where there is no such order
        (for this customer): the page is then a 404. An async function is run to its end.
        The order's ``reference`` must be the one that was asked for, letter by letter: a
        database takes ``01`` for 1, and an order that has two names could be paid twice.
        """
        self._registrations.order_loader = function
        return function

    def before_payment(self, function: GateT) -> GateT:
        """Register the function that may refuse a payment, right before a card is charged.

        It is called as ``function(reference, order, request)`` for every try, and raises
        :class:`~flask_paysafer.errors.PaymentRefused` with a text for the customer to refuse.
        What else it raises, such as Flask-Limiter's 429, answers the request as in a view.
        It is the place for fraud rules and rate limits.
        """
        self._registrations.before_payment = function
        return function

    def operator_required(self, function: CheckT) -> CheckT:
        """Register the function that says who may see the operator page.

        It is called without arguments in the request. Anything but a true answer,
        and no function at all, is a 404.
        """
        self._registrations.operator_check = function
        return function

    def order_for(self, event: Event, *, partial: bool = False) -> CheckoutOrder | None:
        """Return the order that a payment's event is for, if order, payment and event agree.

        Call it in a handler before you fulfil, for ``payment.*`` and ``checkout.*`` events. It
        agrees to one payment of an order only, and to none that was refunded in full, or that
        came after the order had expired.

        :param partial: Agree to a payment that was captured in part, too.
        :returns: None where the payment was not made by this checkout.
        :raises OrderMismatchError: if they don't agree: the event is then ``failed``, for the
            operator to look at, and never a fulfilment.
        :raises ConfigurationError: for an event of another account.
        """
        return self._state.order_for(event, partial=partial)

    def checkout_state(self, reference: object) -> CheckoutState:
        """Return the state of an order's checkout, from the database alone.

        PaySafer is not asked, so it is cheap enough for a list of orders, and may be some
        seconds behind what the customer sees.
        """
        return self._state.checkout.state(str(reference))

    def close_checkout(self, reference: object) -> CheckoutState:
        """Take no further payment for an order, and cancel what is open.

        :returns: The state after it. If an open payment proves to be paid it says so: give the
            money back, or fulfil. ``checking`` means that PaySafer could not be asked now; the
            sweep cancels it.
        :raises InboxUnavailableError: if the database can't be used.
        """
        return self._state.checkout.close(str(reference))

    def payment_for(self, reference: object) -> Payment | None:
        """Return the payment of an order's checkout, as PaySafer has it now.

        For what no event tells: that a card was authorised for a manual capture
        (``payment.status == "requires_capture"``). None while the order has none.

        :raises PaySaferError: if the API can't be asked.
        """
        found = self._state.checkout.payment_id(str(reference))
        return None if found is None else self.client.payments.retrieve(found)

    def subscription_for(self, event: Event) -> Subscription | None:
        """Return the subscription that an event is about, with that event's period.

        For local ``subscription.*`` events and for the payments of renewals; None for all
        else. Call it and :meth:`order_for` on any event.

        :raises OrderMismatchError: if the payment is not what was asked for.
        """
        return self._state.subscription_for(event)

    @property
    def subscriptions(self) -> Subscriptions:
        """The current app's subscriptions.

        :raises ConfigurationError: without a secret key or ``SECRET_KEY``.
        """
        return self._state.subscriptions

    @property
    def cards(self) -> CardStore:
        """The cards that customers of the current app saved."""
        return self._state.cards

    @property
    def config(self) -> Config:
        """The current app's settings."""
        return self._state.config

    @property
    def client(self) -> PaySaferClient:
        """The current app's API client.

        :raises ConfigurationError: without a secret key.
        """
        return self._state.client

    @property
    def async_client(self) -> AsyncPaySaferClient:
        """The current app's API client for ``async`` views.

        :raises ConfigurationError: without a secret key.
        """
        return self._state.async_client

    @property
    def inbox(self) -> Inbox:
        """Where the current app's events are kept."""
        return self._state.inbox

    @property
    def _state(self) -> AppState:
        only = None if has_app_context() or len(self._apps) != 1 else next(iter(self._apps))
        return get_state(only, self.name)


def _check_database(db: Any) -> None:
    # By its class: Flask-SQLAlchemy-Lite's session itself can't be had outside of a context.
    if not hasattr(type(db), "session") and "session" not in getattr(db, "__dict__", {}):
        raise ConfigurationError(
            "PaySafer(db=…) takes the Flask-SQLAlchemy or Flask-SQLAlchemy-Lite object of the "
            f"shop, and {type(db).__name__} has no session. For a database of the inbox's own "
            "leave db= out and set PAYSAFER_INBOX_URL."
        )


def _show_tables_to_migrations(db: Any) -> None:
    from .inbox.merchant import tables_of

    tables_of(db)


def _route_host(app: Flask, host: str | None) -> str | None:
    if not app.url_map.host_matching:
        return host
    found: str | None = host or app.config.get("SERVER_NAME")
    if not found:
        raise ConfigurationError(
            "The app has host_matching, and PaySafer's routes have no host: nothing would reach "
            'them. Give it: PaySafer(host="shop.example"), or set SERVER_NAME.'
        )
    return found


class _Blueprint(Blueprint):
    """A blueprint whose routes all have one host, under ``host_matching``."""

    host: str | None = None

    def add_url_rule(self, rule: str, *args: Any, **options: Any) -> None:
        if self.host is not None:
            options.setdefault("host", self.host)
        super().add_url_rule(rule, *args, **options)


def _create_blueprint(state: AppState) -> Blueprint:
    blueprint = _Blueprint(
        state.config.name,
        __name__,
        url_prefix=state.config.url_prefix or None,
        subdomain=state.subdomain,
    )
    blueprint.host = state.host
    add_webhook_routes(blueprint, state)
    add_checkout_routes(blueprint, state)
    add_pay_routes(blueprint, state)
    add_operator_routes(blueprint, state)
    add_template_helpers(state)
    return blueprint


def _attach_celery(state: AppState) -> None:
    try:
        from .tasks import attach
    except ModuleNotFoundError as error:
        if error.name != "celery":
            raise
        raise ConfigurationError(
            f'{state.config.setting("DISPATCH")} is "celery", and Celery is not installed. '
            'Run pip install "flask-paysafer[celery]".'
        ) from None
    attach(state.app)


def _add_commands(app: Flask) -> None:
    if "paysafer" not in app.cli.commands:
        from .cli import paysafer_cli

        app.cli.add_command(paysafer_cli)
