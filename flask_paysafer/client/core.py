"""What a client is made of, whoever drives it: its settings, checked, and its calls. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NoReturn, TypeVar

from .. import keys
from ..errors import ConfigurationError
from . import fields
from .exchange import Exchange, Limits, Request, Steps, Surroundings
from .hooks import Hook, Hooks
from .operation import Operation, Options
from .rates import RateBudget

__all__ = [
    "BASE_URL",
    "DEADLINE",
    "MAX_RETRIES",
    "TIMEOUT",
    "Core",
]

T = TypeVar("T")

BASE_URL = "https://api.paysafer.me/v1"
TIMEOUT = 10.0
DEADLINE = 25.0
MAX_RETRIES = 2

_FIXED_HEADERS = (
    ("Accept", "application/json"),
    # Answers are small, and an unasked-for coding is one more thing to be wrong.
    ("Accept-Encoding", "identity"),
    ("User-Agent", "flask-paysafer"),
)


@dataclass(frozen=True, slots=True)
class Core:
    """A client's settings, and what its calls share."""

    secret_key: str | None = field(repr=False)
    publishable_key: str | None = field(repr=False)
    base_url: str
    api_version: str | None
    limits: Limits
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    world: Surroundings = field(repr=False)

    @classmethod
    def configure(
        cls,
        *,
        secret_key: str | None,
        publishable_key: str | None,
        base_url: str,
        api_version: str | None,
        timeout: float,
        deadline: float,
        max_retries: int,
        hooks: Iterable[Hook],
        rate_reserve: float | None,
    ) -> Core:
        """Check the settings of a client.

        :raises ConfigurationError: for keys or an address that must not be used.
        """
        if secret_key is not None:
            keys.check_secret_key(secret_key, name="secret_key")
        if publishable_key is not None:
            keys.check_publishable_key(publishable_key, name="publishable_key")
        keys.check_same_mode(secret_key, publishable_key, names=("secret_key", "publishable_key"))
        return cls(
            secret_key,
            publishable_key,
            keys.check_base_url(base_url, name="base_url"),
            None if api_version is None else _version(api_version),
            Limits(
                fields.seconds("timeout", timeout),
                fields.seconds("deadline", deadline),
                fields.integer("max_retries", max_retries),
            ),
            (),
            Surroundings(Hooks(hooks), RateBudget(_share(rate_reserve))),
        )

    def with_options(
        self,
        *,
        timeout: float | None = None,
        deadline: float | None = None,
        max_retries: int | None = None,
        api_version: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Core:
        """Return a core that differs in what is given; headers are added."""
        limits = self.limits
        return replace(
            self,
            limits=Limits(
                limits.timeout if timeout is None else fields.seconds("timeout", timeout),
                limits.deadline if deadline is None else fields.seconds("deadline", deadline),
                limits.max_retries
                if max_retries is None
                else fields.integer("max_retries", max_retries),
            ),
            api_version=self.api_version if api_version is None else _version(api_version),
            headers=self.headers + (() if headers is None else fields.headers("headers", headers)),
        )

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled: the keys would be in whatever queue or cache it goes to."""
        raise TypeError(
            "An API client holds keys and connections, so it can't be pickled. Use paysafer.client "
            "where it is needed, or make one there."
        )

    @property
    def host(self) -> str:
        """What the ``Host`` header says."""
        return self.base_url.split("/")[2]

    def begin(self, operation: Operation[T]) -> Steps[T]:
        """Return the steps of a call."""
        return Exchange(operation, self._prepare, self._limits(operation.options), self.world).run()

    def _limits(self, options: Options) -> Limits:
        limits = self.limits
        return Limits(
            limits.timeout if options.timeout is None else options.timeout,
            limits.deadline if options.deadline is None else options.deadline,
            limits.max_retries if options.max_retries is None else options.max_retries,
        )

    def _prepare(self, operation: Operation[Any]) -> Request:
        url = f"{self.base_url}{operation.path}"
        if operation.query:
            url = f"{url}?{operation.query}"
        headers = [
            ("Host", self.host),
            *_FIXED_HEADERS,
            ("Authorization", f"Bearer {self._key(operation)}"),
        ]
        if operation.body:
            headers.append(("Content-Type", "application/json"))
        if operation.body or not operation.is_read:
            headers.append(("Content-Length", str(len(operation.body))))
        if operation.options.idempotency_key is not None:
            headers.append(("Idempotency-Key", operation.options.idempotency_key))
        if self.api_version is not None:
            headers.append(("PaySafer-Version", self.api_version))
        headers += self.headers
        headers += operation.options.headers
        return Request(url, headers)

    def _key(self, operation: Operation[Any]) -> str:
        name = "publishable_key" if operation.is_publishable else "secret_key"
        key = self.publishable_key if operation.is_publishable else self.secret_key
        if key is None:
            raise ConfigurationError(
                f"{operation.method} {operation.route} needs the {name.replace('_', ' ')}: "
                f"give the client {name}=…, or set PAYSAFER_{name.upper()}."
            )
        return key


def _version(value: object) -> str:
    version = fields.text("api_version", value)
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
