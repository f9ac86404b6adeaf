"""The asynchronous client: drives the core on asyncio's event loops."""

from __future__ import annotations

import copy
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar, Unpack

from ..errors import ConfigurationError
from ..pagination import AsyncPage, Trail
from ..resources import Resource
from . import core, operations
from .async_pages import Listing
from .async_services import Customers, Payments, Tokens, WebhookEndpoints
from .core import Core
from .hooks import Hook
from .operation import Operation
from .parameters import CallOptions
from .rates import RateLimit
from .wire import Reply, Sleep

if TYPE_CHECKING:
    from .transport import AsyncTransport

__all__ = ["AsyncPaySaferClient"]

T = TypeVar("T")
R = TypeVar("R", bound=Resource)


class AsyncPaySaferClient:
    """Calls the PaySafer API. One client serves all event loops, in any thread,
    one after the other or at once: each has its own connections, closed when it ends.
    The arguments are those of :class:`PaySaferClient`.
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
        transport: AsyncTransport | None = None,
        hooks: Iterable[Hook] = (),
        rate_reserve: float | None = None,
    ) -> None:
        # asyncio and httpx are loaded with the first client.
        from asyncio import sleep

        from .async_wire import AsyncWire

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
        self._wire = AsyncWire(transport, base_url=self._core.base_url)
        self._sleep: Callable[[float], Awaitable[object]] = sleep
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

    async def request(
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
        return await self._execute(
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
    ) -> AsyncPaySaferClient:
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

    async def _execute(self, operation: Operation[T]) -> T:
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
                await self._sleep(step.seconds)
                reply = None
            else:
                reply = await self._wire.send(step)

    def _list_pages(self, cls: type[R], params: Mapping[str, object]) -> Listing[R]:
        """Get the pages of a list."""
        return Listing(lambda: self._get_page(cls, params))

    async def _get_page(
        self, cls: type[R], params: Mapping[str, object], trail: Trail | None = None
    ) -> AsyncPage[R]:
        listed = await self._execute(operations.list_of(cls, params))
        return AsyncPage(
            listed.data,
            has_more=listed.has_more,
            params=params,
            fetch=lambda following, trail: self._get_page(cls, following, trail),
            trail=trail,
        )

    async def close(self) -> None:
        """Close the connections. A closed client can't be used any more."""
        await self._wire.close()

    async def __aenter__(self) -> AsyncPaySaferClient:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        made = getattr(self, "_core", None)
        return f"<{type(self).__name__} of {made.base_url}>" if made else super().__repr__()
