"""A local PaySafer inside the test's own process, which an app can be joined to."""

from __future__ import annotations

from typing import Any

from flask import Flask

from ..config import Config
from ..errors import ConfigurationError
from ..sandbox import Sandbox
from ..sandbox.errors import ApiError
from ..sandbox.resources import create_endpoint
from ..sandbox.sender import HttpSender, Sender, WebhookRequest, WebhookResponse
from ..sandbox.store import Tenant, identify
from ..webhooks.rehearsal import deliver, webhook_path
from .deliveries import state_of

__all__ = ["Clock", "JoinedSandbox"]

ACCOUNT = "acmeshop1"
"""The sandbox account of an app that has no secret key."""


class JoinedSandbox(Sandbox):
    """A sandbox whose clock stands still until it is moved, with apps joined in process.

    Whatever it is told to do, it returns from once the webhooks that followed were
    delivered.
    """

    def __init__(self) -> None:
        self._shops = _Shops()
        super().__init__(clock_rate=0, sender=self._shops)

    def join(self, app: Flask, *, account: str | None = None) -> dict[str, Any]:
        """Let the app's API client reach this sandbox, and its events the app's webhook route.

        No settings have to fit, and nothing is served. The deliveries are signed with the
        app's own webhook secret and scheme, by the real clock.

        :param account: The extension's name, where the app has several.
        :return: The webhook endpoint.
        :raises ConfigurationError: if the app's client was used already, or its key is too short.
        """
        state = state_of(app, account)
        state.use_transport(self.transport(), self.async_transport())
        url = self._shops.add(app, state.config)
        with self.engine.store.transaction():
            tenant = self.engine.account(_tenant(state.config))
            return create_endpoint(tenant, {"url": url}).body

    def happen(self, type: str, **order: Any) -> list[dict[str, Any]]:  # noqa: A002 (the base's)
        """Make an event happen, and have it and what it needed delivered; return them all."""
        made = super().happen(type, **order)
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


class Clock:
    """The sandbox's clock, in the test's hands."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def now(self) -> float:
        """Return the virtual time in unix seconds."""
        return self._sandbox.clock()["now"]

    def advance(self, seconds: float = 0, *, minutes: float = 0, hours: float = 0) -> float:
        """Move on, through every delivery that falls due on the way; return the time."""
        return self._sandbox.advance(seconds + 60 * minutes + 3600 * hours)["now"]

    def to_next_retry(self) -> float:
        """Move to the next delivery that waits and have it made; return the time."""
        return self._sandbox.advance(to="next-retry")["now"]


class _Shops:
    """Carries deliveries to joined apps in process, and to other addresses over HTTP."""

    def __init__(self) -> None:
        self._joined: dict[str, tuple[Flask, Config]] = {}
        self._elsewhere: Sender = HttpSender()

    def add(self, app: Flask, config: Config) -> str:
        """Return the address at which ``app`` is reached from now on."""
        url = f"http://shop-{len(self._joined) + 1}.localhost{webhook_path(app, config)}"
        self._joined[url] = (app, config)
        return url

    def __call__(self, request: WebhookRequest) -> WebhookResponse:
        """See :data:`.Sender`."""
        shop = self._joined.get(request.url)
        if shop is None:
            return self._elsewhere(request)
        try:
            answer = deliver(*shop, request.body)
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
