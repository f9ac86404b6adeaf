"""A local PaySafer inside the test's own process, which an app can be joined to."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from ..config import Config
from ..errors import ConfigurationError
from ..profile import ApiProfile
from ..sandbox import Sandbox
from ..sandbox.errors import ApiError
from ..sandbox.resources import create_endpoint
from ..sandbox.sender import HttpSender, Sender, WebhookRequest, WebhookResponse
from ..sandbox.store import Tenant, identify
from ..state import AppState
from ..webhooks.rehearsal import deliver, webhook_path
from .customer import buy
from .deliveries import state_of

__all__ = ["Clock", "JoinedSandbox"]

ACCOUNT = "acmeshop1"
"""The sandbox account of an app that has no secret key."""


class JoinedSandbox(Sandbox):
    """A sandbox whose clock stands still until it is moved, with apps joined in process.

    Its methods return once the webhooks that followed were delivered.
    """

    def __init__(self, *, profile: ApiProfile | None = None) -> None:
        self._shops = _Shops()
        super().__init__(clock_rate=0, sender=self._shops, profile=profile)

    def join(self, app: Flask, *, account: str | None = None) -> dict[str, Any]:
        """Let the app's API client reach this sandbox, and its events the app's webhook route.

        No settings have to fit, and nothing is served. The sandbox plays the PaySafer of the
        app's API profile. The deliveries are signed with the
        app's own webhook secret and scheme, by the real clock.

        :param account: The extension's name, where the app has several.
        :return: The webhook endpoint.
        :raises ConfigurationError: if the app's client was used already, or its key is too short.
        """
        state = state_of(app, account)
        if state.config.profile != self.profile:
            self.play(state.config.profile)
        state.use_transport(self.transport(), self.async_transport())
        state.clock = self._time
        url = self._shops.add(state)
        with self.engine.store.transaction():
            tenant = self.engine.account(_tenant(state.config))
            return create_endpoint(tenant, {"url": url}).body

    def pay(
        self,
        client: FlaskClient,
        reference: object,
        card: str = "visa",
        *,
        passed: bool = True,
        save_card: bool = False,
        account: str | None = None,
    ) -> TestResponse:
        """Pay for an order on the app's real checkout page, as a customer does in a browser.

        Opens the page, makes a token of the card, sends the form, answers the bank's page if
        there is one, follows the redirects, and has the webhooks delivered.

        :param client: A test client of the app, ``app.test_client()``; it keeps its cookies.
        :param reference: The order's reference.
        :param card: The name of a test card (``"authenticationRequired"``), its number, or the
            id of a saved card (``pm_…``) that the page offers.
        :param passed: False: the customer refuses on the bank's page.
        :param save_card: Tick the box that saves the card.
        :param account: The extension's name, where the app has several.
        :return: The page on which the customer ends: the order's own, or a declined card's.
        :raises AssertionError: if the page has no card form, or does not offer what is asked.
        :raises ConfigurationError: if the app is not joined, or cannot be joined any more.
        """
        state = state_of(client.application, account)
        if not self._shops.has(state):
            self.join(client.application, account=account)
        page = buy(
            client,
            state,
            self._app.test_client(),
            reference,
            card=card,
            passed=passed,
            save_card=save_card,
        )
        self.settle()
        return page

    def trigger_all(self, type: str, **options: Any) -> list[dict[str, Any]]:  # noqa: A002 (the base's)
        """Make an event happen, and have it and what it needed delivered; return them all."""
        made = super().trigger_all(type, **options)
        self.settle()
        return made

    def authenticate(self, payment: str, *, passed: bool = True) -> dict[str, Any]:
        """Answer for the cardholder, and have what came of it delivered; return the payment."""
        decided = super().authenticate(payment, passed=passed)
        self.settle()
        return decided

    def settle(self) -> None:
        """Wait until everything that is due was delivered, such as after a call of the client."""
        self.advance(0)

    def next_renewal(self) -> float | None:
        """Return when the next renewal of a joined app is due (unix seconds), or None."""
        due = [next_renewal(state) for state in self._shops.states()]
        return min((moment for moment in due if moment is not None), default=None)

    def run_renewals(self, at: float = 0) -> None:
        """Run the renewals of all joined apps that are due, and have their events delivered.

        :param at: Unix seconds; now, if that is later.
        """
        for state in self._shops.states():
            run_renewals(state, max(at, self.engine.clock.now()))
        self.settle()

    def _time(self) -> datetime:
        return datetime.fromtimestamp(self.engine.clock.now(), UTC)


class Clock:
    """The time of the sandbox and of the joined apps' renewals, in the test's hands."""

    def __init__(self, sandbox: JoinedSandbox) -> None:
        self._sandbox = sandbox

    def now(self) -> float:
        """Return the virtual time in unix seconds."""
        return self._sandbox.clock()["now"]

    def advance(
        self, seconds: float = 0, *, minutes: float = 0, hours: float = 0, days: float = 0
    ) -> float:
        """Move on, through every delivery and renewal that falls due on the way.

        :return: The new time in unix seconds.
        """
        target = self.now() + seconds + 60 * minutes + 3600 * hours + 86400 * days
        same = 0  # a webhook may wake what was just looked at; what stays due is left to the app
        while (due := self._sandbox.next_renewal()) is not None and due <= target and same < 20:
            self._move_to(due)
            same = same + 1 if self._sandbox.next_renewal() == due else 0
        self._move_to(target)
        return self.now()

    def to_next_retry(self) -> float:
        """Move to the next delivery that waits and have it made; return the time."""
        self._sandbox.advance(to="next-retry")
        self._sandbox.run_renewals()
        return self.now()

    def _move_to(self, moment: float) -> None:
        self._sandbox.advance(max(0.0, moment - self.now()))
        # The sandbox counts in whole seconds, and a period may begin between two of them.
        self._sandbox.run_renewals(moment)


def next_renewal(state: AppState) -> float | None:
    """Return when the app's next renewal is due (unix seconds), or None.

    This and :func:`run_renewals` are all that the kit knows of subscriptions.
    """
    due = state.subscriptions.next_due() if state.registrations.plans else None
    return due.timestamp() if due else None


def run_renewals(state: AppState, now: float) -> None:
    """Run the renewals of one app that are due at ``now`` (unix seconds)."""
    if state.registrations.plans:
        state.subscriptions.run_due(datetime.fromtimestamp(now, UTC))


class _Shops:
    """Carries deliveries to joined apps in process, and to other addresses over HTTP."""

    def __init__(self) -> None:
        self._joined: dict[str, AppState] = {}
        self._elsewhere: Sender = HttpSender()

    def add(self, state: AppState) -> str:
        """Return the address at which the app is reached from now on."""
        path = webhook_path(state.app, state.config)
        url = f"http://shop-{len(self._joined) + 1}.localhost{path}"
        self._joined[url] = state
        return url

    def states(self) -> list[AppState]:
        """Return the states of the joined apps."""
        return list(self._joined.values())

    def has(self, state: AppState) -> bool:
        """Whether the app is joined."""
        return any(joined is state for joined in self._joined.values())

    def __call__(self, request: WebhookRequest) -> WebhookResponse:
        """See :data:`.Sender`."""
        state = self._joined.get(request.url)
        if state is None:
            return self._elsewhere(request)
        try:
            answer = deliver(state.app, state.config, request.body)
        except Exception as error:  # noqa: BLE001 (a sender never raises: the shop has failed)
            return WebhookResponse(error=f"{type(error).__name__}: {error}")
        return WebhookResponse(answer.status_code, None, dict(answer.headers), answer.text)


def _tenant(config: Config) -> Tenant:
    if config.secret_key is None:
        return Tenant(ACCOUNT, "test")
    try:
        return identify(f"Bearer {config.secret_key}").tenant
    except ApiError:
        raise ConfigurationError(
            f"{config.setting('SECRET_KEY')} is no key that the sandbox takes: after sk_test_ it "
            "needs 8 or more letters, digits, - or _, such as sk_test_acmeshop1."
        ) from None
