"""The synchronous client: drives the core with blocking connections."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar, Unpack

from ..errors import ConfigurationError
from ..pagination import Page, Trail
from ..resources import Resource
from . import core, operations
from .core import Core
from .hooks import Hook
from .operation import Operation
from .parameters import CallOptions
from .rates import RateLimit
from .sync_services import Customers, Payments, Tokens, WebhookEndpoints
from .wire import Reply, Sleep

if TYPE_CHECKING:
    from .transport import SyncTransport

__all__ = ["PaySaferClient"]

T = TypeVar("T")
R = TypeVar("R", bound=Resource)


class PaySaferClient:
    """Calls the PaySafer API. One client serves all threads, and processes after a fork.

    :param secret_key: ``sk_test_…`` or ``sk_live_…``, for all calls but tokens.
    :param publishable_key: ``pk_test_…`` or ``pk_live_…``, for tokens.
    :param base_url: Ends in ``/v1``; ``http://`` is for this machine only.
    :param api_version: Sent as ``PaySafer-Version``.
    :param timeout: Seconds that one attempt may take.
    :param deadline: Seconds that a call may take as a whole.
    :param max_retries: How many more attempts may follow the first.
    :param transport: An httpx transport, in place of pooled connections.
    :param hooks: Told of every attempt: callables that get an
        :class:`~flask_paysafer.client.AttemptRecord`, or objects with ``before`` and
        ``after``.
    :param rate_reserve: Turns on a pace that stays under the rate limit: the part of it
        (0.2 is a fifth) that is kept for calls a buyer waits for. None: no pace.
    :raises ConfigurationError: for a key or an address that must not be used.
    """

    def __init__(
        self,
        secret_key: str | None = None,
        *,
        publishable_key: str | None = None,
        base_url: str = core.BASE_URL,
        api_version: str | None = None,
        timeout: float = core.TIMEOUT,
        deadline: float = core.DEADLINE,
        max_retries: int = core.MAX_RETRIES,
        transport: SyncTransport | None = None,
        hooks: Iterable[Hook] = (),
        rate_reserve: float | None = None,
    ) -> None:
        from .sync_wire import SyncWire

        try:
            self._core = Core.configure(
                secret_key=secret_key,
                publishable_key=publishable_key,
                base_url=base_url,
                api_version=api_version,
                timeout=timeout,
                deadline=deadline,
                max_retries=max_retries,
                hooks=hooks,
                rate_reserve=rate_reserve,
            )
        except ConfigurationError as error:
            # Error reporters print the locals of frames, and here they are keys.
            del secret_key, publishable_key
            raise error.with_traceback(None) from None
        self._wire = SyncWire(transport, base_url=self._core.base_url)
        self._sleep: Callable[[float], object] = time.sleep
        self._add_services()

    def _add_services(self) -> None:
        self.payments = Payments(self)
        self.customers = Customers(self)
        self.webhook_endpoints = WebhookEndpoints(self)
        self.tokens = Tokens(self)

    @property
    def rate_limit(self) -> RateLimit | None:
        """``limit``, ``remaining`` and ``reset_at`` of the last answer; None before the first."""
        return self._core.world.budget.rate_limit

    def request(
        self,
        method: str,
        path: str,
        *,
        json: Mapping[str, Any] | Sequence[Any] | None = None,
        params: Mapping[str, Any] | None = None,
        **options: Unpack[CallOptions],
    ) -> Resource:
        """Call what has no method yet; retries, errors and keys are as everywhere.

        :param path: Relative to the base URL: ``/payouts/po_1``.
        """
        return self._execute(
            operations.request(method, path, json=json, query=params, options=options)
        )

    def with_options(
        self,
        *,
        timeout: float | None = None,
        deadline: float | None = None,
        max_retries: int | None = None,
        api_version: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> PaySaferClient:
        """Return a client that differs in what is given, on the same connections.

        Closing either closes both.
        """
        other = copy.copy(self)
        other._core = self._core.with_options(
            timeout=timeout,
            deadline=deadline,
            max_retries=max_retries,
            api_version=api_version,
            headers=headers,
        )
        other._add_services()
        return other

    def _execute(self, operation: Operation[T]) -> T:
        """Carry out one operation; the services are made of this."""
        steps = self._core.begin(operation)
        reply: Reply | None = None
        while True:
            try:
                step = steps.send(reply)
            except StopIteration as end:
                result: T = end.value
                return result
            if isinstance(step, Sleep):
                self._sleep(step.seconds)
                reply = None
            else:
                reply = self._wire.send(step)

    def _list_pages(
        self, cls: type[R], params: Mapping[str, object], trail: Trail | None = None
    ) -> Page[R]:
        """Get a page that knows how to get the next one."""
        listed = self._execute(operations.list_of(cls, params))
        return Page(
            listed.data,
            has_more=listed.has_more,
            params=params,
            fetch=lambda following, trail: self._list_pages(cls, following, trail),
            trail=trail,
        )

    def close(self) -> None:
        """Close the connections. A closed client can't be used any more."""
        self._wire.close()

    def __enter__(self) -> PaySaferClient:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        made = getattr(self, "_core", None)
        return f"<{type(self).__name__} of {made.base_url}>" if made else super().__repr__()
