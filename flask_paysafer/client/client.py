"""The API client: its settings, checked once, and the two clients that share all but waiting."""

from __future__ import annotations

import copy
import functools
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, NoReturn, Self, TypeVar, Unpack
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

from .. import keys
from .. import params as checks
from ..errors import APIError, ConfigurationError
from ..pagination import AsyncPage, AsyncPaginator, CycleGuard, Listed, Page
from ..params import CallOptions
from ..profile import ApiProfile
from ..redaction import redact
from ..resources import Resource
from .flow import (
    Environment,
    Limits,
    PreparedRequest,
    RateBudget,
    RateLimit,
    RequestFlow,
    Steps,
)
from .hooks import Hook, Hooks
from .operation import AttemptResult, Operation, Options, Sleep, encode_json, encode_query
from .responses import any_reader
from .services import (
    ApiCall,
    Awaited,
    Blocking,
    Caller,
    Customers,
    Payments,
    Tokens,
    WebhookEndpoints,
)

if TYPE_CHECKING:
    from .transport import AsyncTransport, SyncTransport

__all__ = ["AsyncPaySaferClient", "BaseClient", "PaySaferClient", "Settings"]

M = TypeVar("M")
R = TypeVar("R", bound=Resource)
T = TypeVar("T")
TransportT = TypeVar("TransportT")

BASE_URL = "https://api.paysafer.me/v1"
TIMEOUT = 10.0
DEADLINE = 25.0
MAX_RETRIES = 2

_FIXED_HEADERS = (
    ("Accept", "application/json"),
    # Responses are small, and an unasked-for coding is one more thing to be wrong.
    ("Accept-Encoding", "identity"),
    ("User-Agent", "flask-paysafer"),
)


@dataclass(frozen=True, slots=True)
class Settings:
    """A client's settings, and what its calls share."""

    secret_key: str | None = field(repr=False)
    publishable_key: str | None = field(repr=False)
    base_url: str
    api_version: str | None
    limits: Limits
    environment: Environment = field(repr=False)
    profile: ApiProfile
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    def changed(
        self,
        *,
        timeout: float | None,
        deadline: float | None,
        max_retries: int | None,
        api_version: str | None,
        headers: Mapping[str, str] | None,
    ) -> Settings:
        """Return settings that differ in what is given; headers are added."""
        limits = self.limits
        return replace(
            self,
            limits=_limits(
                limits.timeout if timeout is None else timeout,
                limits.deadline if deadline is None else deadline,
                limits.max_retries if max_retries is None else max_retries,
            ),
            api_version=self.api_version if api_version is None else _version(api_version),
            headers=self.headers
            + (() if headers is None else checks.check_headers("headers", headers)),
        )

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled: the keys would be in whatever queue or cache it goes to."""
        raise TypeError(
            "An API client holds keys and connections, so it can't be pickled. Use paysafer.client "
            "where it is needed, or make one there."
        )

    def begin(self, operation: Operation[T]) -> Steps[T]:
        """Return the steps of a call."""
        options, limits = operation.options, self.limits
        own_limits = Limits(
            limits.timeout if options.timeout is None else options.timeout,
            limits.deadline if options.deadline is None else options.deadline,
            limits.max_retries if options.max_retries is None else options.max_retries,
        )
        return RequestFlow(operation, self.prepare, own_limits, self.environment).run()

    def page(self, operation: Operation[T], cursor: str | None) -> Operation[T]:
        """Return the operation that gets the page of a list at a cursor or an address.

        :raises APIError: for an address that is not below the base address, for the API key
            would be sent there.
        """
        if cursor is None:
            return operation
        base = urlsplit(self.base_url)
        if not _is_address(cursor, base.path):
            return operation.at(cursor)
        address = urlsplit(urljoin(f"{self.base_url}{operation.path}", cursor))
        path = address.path.removeprefix(base.path)
        if address[:2] != base[:2] or path == address.path or not checks.is_relative_path(path):
            raise APIError(
                f"PaySafer's list goes on at {redact(cursor, limit=200)}, which is not below "
                f"{self.base_url}. It was not followed, for the API key would be sent there. "
                "If that is right, set PAYSAFER_API_BASE; else look at lists.next of the API "
                "profile.",
                outcome="rejected",
            )
        query = tuple(parse_qsl(address.query, keep_blank_values=True))
        return replace(operation, path=path, query=query)

    def prepare(self, operation: Operation[Any]) -> PreparedRequest:
        """Return the address and the headers of a call."""
        url = f"{self.base_url}{operation.path}"
        if operation.query:
            url = f"{url}?{urlencode(operation.query)}"
        prepared = PreparedRequest(url, [("Host", self.base_url.split("/")[2]), *_FIXED_HEADERS])
        add = prepared.headers.append
        add(("Authorization", f"Bearer {self._key(operation)}"))
        if operation.body:
            add(("Content-Type", "application/json"))
        if operation.body or not operation.is_read:
            add(("Content-Length", str(len(operation.body))))
        if operation.options.idempotency_key is not None:
            add((self.profile.headers.idempotency_key, operation.options.idempotency_key))
        if self.api_version is not None:
            add((self.profile.headers.version, self.api_version))
        prepared.headers.extend(self.headers)
        prepared.headers.extend(operation.options.headers)
        return prepared

    def _key(self, operation: Operation[Any]) -> str:
        name = "publishable_key" if operation.is_publishable else "secret_key"
        key = self.publishable_key if operation.is_publishable else self.secret_key
        if key is None:
            raise ConfigurationError(
                f"{operation.method} {operation.route} needs the {name.replace('_', ' ')}: "
                f"give the client {name}=…, or set PAYSAFER_{name.upper()}."
            )
        return key


def _is_address(cursor: str, base_path: str) -> bool:
    """Tell an address from a cursor, which may hold slashes too."""
    return cursor.startswith(("http://", "https://", "//", "?", f"{base_path}/")) or (
        cursor.startswith("/") and "?" in cursor
    )


def _limits(timeout: object, deadline: object, max_retries: object) -> Limits:
    return Limits(
        checks.seconds("timeout", timeout),
        checks.seconds("deadline", deadline),
        checks.integer("max_retries", max_retries),
    )


def _version(value: object) -> str:
    version = checks.text("api_version", value)
    if not (version and version.isascii() and version.isprintable()):
        raise ValueError("api_version must be printable ASCII, such as 2026-01-15.")
    return version


def _share(value: float | None) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"rate_reserve must be a number, not {type(value).__name__}.")
    if not 0 <= value < 1:
        raise ValueError("rate_reserve must be a part of the limit: 0 or more, below 1.")
    return float(value)


def _check_keys(secret_key: object, publishable_key: object) -> None:
    if secret_key is not None:
        secret_key = keys.check_secret_key(secret_key, name="secret_key")
    if publishable_key is not None:
        publishable_key = keys.check_publishable_key(publishable_key, name="publishable_key")
    keys.check_same_mode(secret_key, publishable_key, names=("secret_key", "publishable_key"))


class BaseClient(Caller[M], Generic[M, TransportT]):
    """All that both clients have in common."""

    def __init__(
        self,
        secret_key: str | None = None,
        *,
        publishable_key: str | None = None,
        base_url: str = BASE_URL,
        api_version: str | None = None,
        timeout: float = TIMEOUT,
        deadline: float = DEADLINE,
        max_retries: int = MAX_RETRIES,
        transport: TransportT | None = None,
        hooks: Iterable[Hook] = (),
        rate_reserve: float | None = None,
        profile: ApiProfile | None = None,
    ) -> None:
        try:
            _check_keys(secret_key, publishable_key)
            self._profile = ApiProfile() if profile is None else ApiProfile.of(profile)
            self._settings = Settings(
                secret_key,
                publishable_key,
                keys.check_base_url(base_url, name="base_url"),
                None if api_version is None else _version(api_version),
                _limits(timeout, deadline, max_retries),
                Environment(
                    Hooks(hooks), RateBudget(_share(rate_reserve), self._profile), self._profile
                ),
                self._profile,
            )
            self._connect(transport)
        except (TypeError, ValueError, ConfigurationError) as error:
            # Error trackers print the locals of frames, and here they are keys, or were meant
            # to be something else.
            del secret_key, publishable_key, base_url, api_version, transport, profile
            raise error.with_traceback(None) from None
        self._add_services()

    def _connect(self, transport: TransportT | None) -> None:
        raise NotImplementedError

    def _add_services(self) -> None:
        self.payments: Payments[M] = Payments(self)
        """Charges to customers' payment methods."""
        self.customers: Customers[M] = Customers(self)
        """People and companies that pay."""
        self.webhook_endpoints: WebhookEndpoints[M] = WebhookEndpoints(self)
        """Addresses that PaySafer sends events to."""
        self.tokens: Tokens[M] = Tokens(self)
        """Card data that PaySafer keeps."""

    @property
    def rate_limit(self) -> RateLimit | None:
        """``limit``, ``remaining`` and ``reset_at`` of the last response; None before the first."""
        return self._settings.environment.budget.rate_limit

    @ApiCall
    def request(
        self,
        method: str,
        path: str,
        *,
        json: Mapping[str, Any] | Sequence[Any] | None = None,
        params: Mapping[str, Any] | None = None,
        **options: Unpack[CallOptions],
    ) -> Operation[Resource]:
        """Call what has no method yet. Retries, errors and keys are as everywhere.

        :param method: ``GET``, ``POST``, ``PATCH``, ``PUT`` or ``DELETE``.
        :param path: Relative to the base URL: ``/payouts/po_1``.
        :param json: The body.
        :param params: The query.
        """
        verb = checks.http_method("method", method)
        own = Options.take_from(checks.checked(CallOptions, options), verb)
        checked_path = checks.relative_path("path", path)
        query = dict(params or {})
        if own.extra and verb in {"GET", "DELETE"}:
            query |= own.extra
        elif own.extra:
            if not isinstance(json, (Mapping, type(None))):
                raise TypeError("extra needs a json that is a dict, for it is added to it.")
            json = {**(json or {}), **own.extra}
        return Operation(
            method=verb,
            path=checked_path,
            route=checked_path,
            read=any_reader(self._profile),
            options=own,
            query=encode_query(query),
            body=b"" if json is None else encode_json(json),
        )

    def with_options(
        self,
        *,
        timeout: float | None = None,
        deadline: float | None = None,
        max_retries: int | None = None,
        api_version: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Self:
        """Return a client that differs in what is given, on the same connections.

        Closing either closes both.

        :param timeout: Seconds that one attempt may take.
        :param deadline: Seconds that a call may take as a whole.
        :param max_retries: How many more attempts may follow the first.
        :param api_version: Sent as ``PaySafer-Version``.
        :param headers: Request headers to add.
        """
        other = copy.copy(self)
        try:
            other._settings = self._settings.changed(
                timeout=timeout,
                deadline=deadline,
                max_retries=max_retries,
                api_version=api_version,
                headers=headers,
            )
        except (TypeError, ValueError) as error:
            del headers, api_version  # as above
            raise error.with_traceback(None) from None
        other._add_services()
        return other

    def __repr__(self) -> str:
        made = getattr(self, "_settings", None)
        return f"<{type(self).__name__} of {made.base_url}>" if made else object.__repr__(self)


class PaySaferClient(BaseClient[Blocking, "SyncTransport"]):
    """Calls the PaySafer API. One client serves all threads, and processes after a fork.

    :param secret_key: ``sk_test_…`` or ``sk_live_…``, for all calls but tokens.
    :param publishable_key: ``pk_test_…`` or ``pk_live_…``, for tokens.
    :param base_url: Ends in ``/v1``; ``http://`` is for this machine only.
    :param api_version: Sent as ``PaySafer-Version``.
    :param timeout: Seconds that one attempt may take.
    :param deadline: Seconds that a call may take as a whole.
    :param max_retries: How many more attempts may follow the first.
    :param transport: An httpx transport, in place of pooled connections.
    :param hooks: Called for every attempt: callables that get an
        :class:`~flask_paysafer.client.AttemptRecord`, or objects with ``before`` and
        ``after``.
    :param rate_reserve: Turns on a pace that stays under the rate limit: the part of it
        (0.2 is a fifth) that is kept for calls a buyer waits for. None: no pace.
    :param profile: What this account's API looks like, where it is not as assumed.
    :raises ConfigurationError: for a key or an address that must not be used.
    """

    _is_async = False

    def _connect(self, transport: SyncTransport | None) -> None:
        from .transport import Connections  # httpx is loaded with the first client

        self._connections = Connections(transport, base_url=self._settings.base_url)
        self._sleep: Callable[[float], object] = time.sleep

    def _execute(self, operation: Operation[T]) -> T:
        steps = self._settings.begin(operation)
        result: AttemptResult | None = None
        while True:
            try:
                step = steps.send(result)
            except StopIteration as end:
                value: T = end.value
                return value
            if isinstance(step, Sleep):
                self._sleep(step.seconds)
                result = None
            else:
                result = self._connections.send(step)

    def _list_pages(
        self,
        operation: Operation[Listed[R]],
        cursor: str | None = None,
        guard: CycleGuard | None = None,
    ) -> Page[R]:
        listed = self._execute(self._settings.page(operation, cursor))
        return Page(listed, functools.partial(self._list_pages, operation), cursor, guard)

    def close(self) -> None:
        """Close the connections. A closed client can't be used any more."""
        self._connections.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class AsyncPaySaferClient(BaseClient[Awaited, "AsyncTransport"]):
    """Calls the PaySafer API. One client serves all event loops, in any thread,
    one after the other or at once: each has its own connections, closed when it ends.
    The arguments are those of :class:`PaySaferClient`.
    """

    _is_async = True

    def _connect(self, transport: AsyncTransport | None) -> None:
        # asyncio and httpx are loaded with the first client.
        from asyncio import sleep

        from .transport import AsyncConnections

        self._connections = AsyncConnections(transport, base_url=self._settings.base_url)
        self._sleep: Callable[[float], Awaitable[object]] = sleep

    async def _execute(self, operation: Operation[T]) -> T:
        steps = self._settings.begin(operation)
        result: AttemptResult | None = None
        while True:
            try:
                step = steps.send(result)
            except StopIteration as end:
                value: T = end.value
                return value
            if isinstance(step, Sleep):
                await self._sleep(step.seconds)
                result = None
            else:
                result = await self._connections.send(step)

    def _list_pages(self, operation: Operation[Listed[R]]) -> AsyncPaginator[R]:
        return AsyncPaginator(functools.partial(self._fetch_page, operation))

    async def _fetch_page(
        self,
        operation: Operation[Listed[R]],
        cursor: str | None = None,
        guard: CycleGuard | None = None,
    ) -> AsyncPage[R]:
        listed = await self._execute(self._settings.page(operation, cursor))
        return AsyncPage(listed, functools.partial(self._fetch_page, operation), cursor, guard)

    async def close(self) -> None:
        """Close the connections. A closed client can't be used any more."""
        await self._connections.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()
