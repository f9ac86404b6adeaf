"""Turn ``PAYSAFER_*`` settings into one frozen, checked :class:`Config`.

A setting comes from ``app.config``, else from the environment variable of the
same name; None counts as not set. Everything is read once, in ``init_app``,
so a wrong setting fails at start and never during a payment. Errors name the
setting and what to set, never the value.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_network
from types import MappingProxyType
from typing import Any, Literal

from . import keys, signing
from .errors import ConfigurationError
from .profile import ApiProfile

__all__ = ["DEFAULT_API_BASE", "Config", "load_config"]

DEFAULT_API_BASE = "https://api.paysafer.me/v1"
DEFAULT_TIMEOUT = 10.0
DEFAULT_DEADLINE = 25.0
DEFAULT_MAX_RETRIES = 2

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)*/?")
_PRINTABLE_ASCII = re.compile(r"[\x21-\x7e]+")
_DATABASE_URL = re.compile(r"(sqlite|postgresql|mysql|mariadb)(\+\w+)?://.*", re.DOTALL)

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, kw_only=True)
class Config:
    """The settings of one extension in one app. Times are in seconds."""

    name: str = "paysafer"
    """The extension's name; its settings begin with this in upper case."""
    secret_key: str | None = field(default=None, repr=False)
    """``sk_…``: makes calls from the server."""
    publishable_key: str | None = field(default=None, repr=False)
    """``pk_…``: makes tokens and confirms payments from the browser."""
    webhook_secrets: tuple[str, ...] = field(default=(), repr=False)
    """``whsec_…``: any of them verifies a delivery. Empty: the route answers 503."""
    api_base: str = DEFAULT_API_BASE
    """The API's address, ``/v1`` included, with no trailing slash."""
    api_version: str | None = None
    """Sent as ``PaySafer-Version`` when set."""
    timeout: float = DEFAULT_TIMEOUT
    """The longest that one attempt of one call may wait for the network."""
    deadline: float = DEFAULT_DEADLINE
    """The longest that one call may take: attempts, waits and all."""
    max_retries: int = DEFAULT_MAX_RETRIES
    """How many times a call is asked again after its first attempt."""
    url_prefix: str = "/paysafer"
    """Where this extension's routes begin."""
    webhook_tolerance: int = 300
    """How old a signature may be. 0 allows no age at all; nothing switches the check off."""
    webhook_max_bytes: int = 262_144
    """The largest delivery that is read, in bytes."""
    webhook_allowed_networks: tuple[Network, ...] = ()
    """The networks that deliveries may come from. Empty: any."""
    signature_scheme: Any = "timestamped"
    """A scheme's name, or the merchant's own callable or object. By default the profile's."""
    profile: ApiProfile = field(default_factory=ApiProfile)
    """The profile of PaySafer's API; :attr:`signature_scheme` takes precedence over its own."""
    inbox_url: str | None = field(default=None, repr=False)
    inbox_engine_options: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """More for ``sqlalchemy.create_engine``, for an inbox of its own."""
    """The inbox's database, as an SQLAlchemy URL. None: SQLite in the instance folder."""
    inbox_encryption_keys: tuple[str, ...] = field(default=(), repr=False)
    """Fernet keys: the first encrypts, any decrypts. Empty: payloads are stored readable."""
    dispatch: Literal["inline", "celery"] = "inline"
    """Where handlers run: in the request, or on the app's Celery."""
    lease: int = 300
    """How long a worker may hold an event before another may take it."""
    handler_max_attempts: int = 12
    """With Celery: how often a failing handler is run before the event is ``failed``."""
    handler_retry_base: float = 30.0
    """With Celery: the wait before the first own retry; later ones grow."""
    sweep_interval: float = 30.0
    """With Celery: how often the inbox is searched for what the broker lost."""
    renewals_interval: float = 300.0
    """With Celery: how often renewals are run."""
    rate_reserve: int | None = None
    """Calls of a rate window that runs of renewals leave to customers. None: a fifth."""
    shop_name: str | None = None
    """The shop's name, as the checkout page shows it."""
    shop_logo: str | None = None
    """Where the shop's logo is: a path of the app, or an ``https`` address."""
    card_brands: tuple[str, ...] = ()
    """The brands that the checkout says it takes. Empty: it says nothing, and takes all."""
    max_declines: int = 5
    """How many declines of an order in an hour pass before the next card has to wait."""

    @property
    def mode(self) -> keys.Mode | None:
        """``"test"`` or ``"live"``, by the keys; None without keys."""
        key = self.secret_key or self.publishable_key
        return keys.mode_of(key) if key else None

    @property
    def livemode(self) -> bool | None:
        """Whether the keys are live; None without keys."""
        return None if self.mode is None else self.mode == "live"

    @property
    def delivery_profile(self) -> ApiProfile:
        """The profile with the signature scheme that counts, and the headers that go with it."""
        scheme = self.signature_scheme
        return self.profile.with_scheme(scheme) if isinstance(scheme, str) else self.profile

    def setting(self, suffix: str) -> str:
        """Return the full name of a setting, for messages: ``PAYSAFER_`` + ``suffix``."""
        return f"{self.name.upper()}_{suffix}"


def load_config(
    settings: Mapping[str, Any],
    environ: Mapping[str, str],
    *,
    name: str = "paysafer",
    testing: bool = False,
    profile: ApiProfile | None = None,
    root: str = ".",
) -> Config:
    """Read and check the settings of the extension called ``name``.

    :param settings: ``app.config``.
    :param environ: Asked for what ``settings`` does not have.
    :param testing: The app's ``TESTING``: a live secret key is then refused.
    :param profile: The one that the extension was given, where no setting names another.
    :param root: Where the path of a profile begins, if it is relative.
    :raises ConfigurationError: for the first setting that is wrong.
    """
    if not _NAME.fullmatch(name):
        raise ConfigurationError(
            "The extension's name must be lower-case letters, digits and underscores, beginning "
            "with a letter, such as PaySafer(name='paysafer_eu')."
        )
    values: dict[str, Any] = {"name": name, "url_prefix": f"/{name}"}
    for suffix, (attribute, parse) in _SETTINGS.items():
        setting = f"{name.upper()}_{suffix}"
        value = settings.get(setting)
        value = environ.get(setting) if value is None else value
        if value is not None:
            values[attribute] = parse(value, setting)
    values["profile"] = _find_profile(
        values.get("profile"), f"{name.upper()}_API_PROFILE", given=profile, root=root
    )
    values.setdefault("signature_scheme", values["profile"].webhooks.scheme)
    config = Config(**values)
    _check_together(config, testing=testing)
    return config


def _check_together(config: Config, *, testing: bool) -> None:
    _check_secrets(config)
    names = (config.setting("SECRET_KEY"), config.setting("PUBLISHABLE_KEY"))
    keys.check_same_mode(config.secret_key, config.publishable_key, names=names)
    if testing and config.secret_key and keys.mode_of(config.secret_key) == "live":
        raise ConfigurationError(
            f"{names[0]} is a live key while TESTING is on: the tests would charge real cards. "
            "Use a test key (sk_test_…)."
        )


def _find_profile(
    value: object, setting: str, *, given: ApiProfile | None, root: str
) -> ApiProfile:
    if value is None:
        return given or ApiProfile()
    if given is not None:
        raise ConfigurationError(
            f"{setting} is set, and PaySafer(profile=…) was given one too. Remove one of them."
        )
    try:
        return ApiProfile.of(value, root=root)
    except ConfigurationError as error:
        raise ConfigurationError(f"{setting}: {error.message}") from None


def _text(value: object, setting: str) -> str:
    if not isinstance(value, str) or not _PRINTABLE_ASCII.fullmatch(value):
        raise ConfigurationError(
            f"{setting} must be plain text without spaces; set it, or remove it."
        )
    return value


def _number(value: object, setting: str, *, least: float, unit: str) -> float:
    number = _parse_float(value)
    if number is None or not math.isfinite(number) or number < least:
        raise ConfigurationError(f"{setting} must be a number of {unit}, {least:g} or more.")
    return number


def _parse_float(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def _whole(value: object, setting: str, *, least: int, unit: str) -> int:
    number = _number(value, setting, least=least, unit=unit)
    if number != int(number):
        raise ConfigurationError(f"{setting} must be a whole number of {unit}, {least} or more.")
    return int(number)


def _seconds(least: float) -> Callable[[Any, str], float]:
    return lambda value, setting: _number(value, setting, least=least, unit="seconds")


def _integer(least: int, unit: str) -> Callable[[Any, str], int]:
    return lambda value, setting: _whole(value, setting, least=least, unit=unit)


def _items(value: object, setting: str) -> list[object]:
    """Return the entries of a list, or of a string with commas between them."""
    if isinstance(value, str):
        items: list[object] = [*re.split(" *, *", value)]
    elif isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        items = list(value)
    else:
        raise ConfigurationError(f"{setting} must be a string or a list of strings.")
    if not items:
        raise ConfigurationError(f"{setting} is an empty list: give it an entry, or remove it.")
    return items


def _check_secrets(config: Config) -> None:
    for secret in config.webhook_secrets:
        reason = signing.unusable_secret(secret, config.signature_scheme)
        if reason is not None:
            raise ConfigurationError(
                f"{config.setting('WEBHOOK_SECRET')} can't be used: {reason}. Copy the signing "
                "secret of the webhook endpoint again, or set another signature scheme."
            )


def _webhook_secrets(value: object, setting: str) -> tuple[str, ...]:
    secrets = []
    for secret in _items(value, setting):
        reason = signing.unusable_secret(secret)
        if reason is not None or not isinstance(secret, str):
            raise ConfigurationError(
                f"{setting} can't be used: {reason}. Copy the signing secret (whsec_…) of the "
                "webhook endpoint from the PaySafer Dashboard; while rotating, give several with "
                "commas between them."
            )
        secrets.append(secret)
    return tuple(secrets)


def _fernet_keys(value: object, setting: str) -> tuple[str, ...]:
    found = []
    for item in _items(value, setting):
        if not isinstance(item, str) or not _is_fernet_key(item):
            raise ConfigurationError(
                f"{setting} must hold Fernet keys: 32 random bytes as URL-safe base64. Make one "
                "with: python -c 'from cryptography.fernet import Fernet; "
                "print(Fernet.generate_key().decode())'."
            )
        found.append(item)
    return tuple(found)


def _is_fernet_key(text: str) -> bool:
    try:
        return len(base64.b64decode(text.encode(), altchars=b"-_", validate=True)) == 32
    except (binascii.Error, ValueError):
        return False


def _networks(value: object, setting: str) -> tuple[Network, ...]:
    try:
        return tuple(ip_network(str(item)) for item in _items(value, setting))
    except ValueError:
        raise ConfigurationError(
            f"{setting} must hold networks such as 203.0.113.0/24, with commas between them."
        ) from None


def _url_prefix(value: object, setting: str) -> str:
    if not isinstance(value, str) or not _PATH.fullmatch(value):
        raise ConfigurationError(f"{setting} must be a path such as /paysafer.")
    return value.rstrip("/")


def _signature_scheme(value: object, setting: str) -> object:
    try:
        signing.get_scheme(value)
    except (ValueError, TypeError, ConfigurationError) as error:
        raise ConfigurationError(f"{setting}: {error}") from None
    return value


def _engine_options(value: object, setting: str) -> Mapping[str, Any]:
    options: object = value
    if isinstance(value, str):
        try:
            options = json.loads(value)
        except ValueError:
            options = None
    if not isinstance(options, Mapping) or not all(isinstance(name, str) for name in options):
        raise ConfigurationError(
            f"{setting} is a mapping of what sqlalchemy.create_engine takes, such as "
            '{"pool_size": 10}; in an environment variable it is written as JSON.'
        )
    if str(options.get("isolation_level", "")).upper() == "AUTOCOMMIT":
        raise ConfigurationError(
            f"{setting} sets AUTOCOMMIT, and the inbox needs transactions. Remove isolation_level."
        )
    return MappingProxyType(dict(options))


def _inbox_url(value: object, setting: str) -> str:
    if not isinstance(value, str) or not _DATABASE_URL.fullmatch(value):
        raise ConfigurationError(
            f"{setting} must be an SQLAlchemy URL of SQLite, PostgreSQL, MariaDB or MySQL. Write "
            "it like sqlite:////var/lib/shop/inbox.db, postgresql+psycopg://user@host/shop or "
            "mysql+pymysql://user@host/shop."
        )
    return value


def _dispatch(value: object, setting: str) -> object:
    if value not in ("inline", "celery"):
        raise ConfigurationError(f'{setting} must be "inline" or "celery".')
    return value


CARD_BRANDS = ("visa", "mastercard", "amex", "diners", "discover", "jcb", "unionpay")
"""The brands of cards that the checkout knows by name."""


def _shop_name(value: object, setting: str) -> str:
    if not isinstance(value, str) or not value.isprintable() or not 0 < len(value.strip()) <= 100:
        raise ConfigurationError(f"{setting} must be 1 to 100 printable characters.")
    return value.strip()


def _shop_logo(value: object, setting: str) -> str:
    text = value if isinstance(value, str) else ""
    is_path = text.startswith("/") and not text.startswith("//")
    is_plain = _PRINTABLE_ASCII.fullmatch(text) and not re.search(r"[\\\"';,<>]", text)
    if not is_plain or not (is_path or re.match(r"https://[A-Za-z0-9.-]+(:[0-9]+)?/", text)):
        raise ConfigurationError(
            f"{setting} must be a path, such as /static/logo.svg, or an https address."
        )
    return text


def _card_brands(value: object, setting: str) -> tuple[str, ...]:
    brands = [str(item).strip().lower() for item in _items(value, setting)]
    if not set(brands) <= set(CARD_BRANDS):
        raise ConfigurationError(f"{setting} must be some of {', '.join(CARD_BRANDS)}.")
    return tuple(dict.fromkeys(brands))


_SETTINGS: dict[str, tuple[str, Callable[[Any, str], object]]] = {
    "SECRET_KEY": (
        "secret_key",
        lambda value, setting: keys.check_secret_key(value, name=setting),
    ),
    "PUBLISHABLE_KEY": (
        "publishable_key",
        lambda value, setting: keys.check_publishable_key(value, name=setting),
    ),
    "WEBHOOK_SECRET": ("webhook_secrets", _webhook_secrets),
    "API_BASE": ("api_base", lambda value, setting: keys.check_base_url(value, name=setting)),
    "API_VERSION": ("api_version", _text),
    "TIMEOUT": ("timeout", _seconds(0.001)),
    "DEADLINE": ("deadline", _seconds(0.001)),
    "MAX_RETRIES": ("max_retries", _integer(0, "retries")),
    "URL_PREFIX": ("url_prefix", _url_prefix),
    "WEBHOOK_TOLERANCE": ("webhook_tolerance", _integer(0, "seconds")),
    "WEBHOOK_MAX_BYTES": ("webhook_max_bytes", _integer(1, "bytes")),
    "WEBHOOK_ALLOWED_NETWORKS": ("webhook_allowed_networks", _networks),
    "SIGNATURE_SCHEME": ("signature_scheme", _signature_scheme),
    "API_PROFILE": ("profile", lambda value, _setting: value),  # read by _find_profile
    "INBOX_URL": ("inbox_url", _inbox_url),
    "INBOX_ENGINE_OPTIONS": ("inbox_engine_options", _engine_options),
    "INBOX_ENCRYPTION_KEY": ("inbox_encryption_keys", _fernet_keys),
    "DISPATCH": ("dispatch", _dispatch),
    "LEASE": ("lease", _integer(1, "seconds")),
    "HANDLER_MAX_ATTEMPTS": ("handler_max_attempts", _integer(1, "attempts")),
    "HANDLER_RETRY_BASE": ("handler_retry_base", _seconds(0)),
    "SWEEP_INTERVAL": ("sweep_interval", _seconds(0.001)),
    "RENEWALS_INTERVAL": ("renewals_interval", _seconds(0.001)),
    "RATE_RESERVE": ("rate_reserve", _integer(0, "calls")),
    "SHOP_NAME": ("shop_name", _shop_name),
    "SHOP_LOGO": ("shop_logo", _shop_logo),
    "CARD_BRANDS": ("card_brands", _card_brands),
    "MAX_DECLINES": ("max_declines", _integer(1, "declines")),
}
"""Every setting by the end of its name: the field it fills and what checks it."""

SETTING_NAMES = tuple(_SETTINGS)
"""The ends of all settings' names, for the docs' and the doctor's sake."""
