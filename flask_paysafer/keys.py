"""Tell PaySafer's keys and addresses apart, before anything is sent with them.

The settings and the client check the same things through this file, so that a
wrong key is refused the same way wherever it comes in. No message holds a value.
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Literal
from urllib.parse import urlsplit

from .errors import ConfigurationError

Mode = Literal["test", "live"]

_KEY = re.compile(r"(sk|pk)_(test|live)_[\x21-\x7e]+")
_KINDS = {"sk": "secret", "pk": "publishable"}


def check_secret_key(key: object, *, name: str) -> str:
    """Return ``key`` if it is a secret key (``sk_test_…`` or ``sk_live_…``).

    :raises ConfigurationError: naming ``name`` and the cure, never the value.
    """
    return _check_key(key, kind="sk", name=name)


def check_publishable_key(key: object, *, name: str) -> str:
    """Return ``key`` if it is a publishable key (``pk_test_…`` or ``pk_live_…``).

    :raises ConfigurationError: naming ``name`` and the cure, never the value.
    """
    return _check_key(key, kind="pk", name=name)


def _check_key(key: object, *, kind: str, name: str) -> str:
    wanted = f"a {_KINDS[kind]} key ({kind}_test_… or {kind}_live_…)"
    if not isinstance(key, str):
        raise ConfigurationError(f"{name} must be {wanted}, not {type(key).__name__}.")
    match = _KEY.fullmatch(key)
    if match is None:
        raise ConfigurationError(
            f"{name} is not {wanted}. Copy it again from the PaySafer Dashboard, "
            "without spaces or quotes."
        )
    if match[1] != kind:
        raise ConfigurationError(
            f"{name} holds a {_KINDS[match[1]]} key where {wanted} belongs. "
            "The secret key stays on the server; the publishable key goes to the browser."
        )
    return key


def mode_of(key: str) -> Mode:
    """Return the mode that ``key``, already checked, belongs to."""
    return "live" if key[3:7] == "live" else "test"


def check_same_mode(
    secret_key: str | None, publishable_key: str | None, *, names: tuple[str, str]
) -> Mode | None:
    """Return the one mode of both keys, or None without keys.

    :raises ConfigurationError: if one is a test key and the other a live key.
    """
    modes = {mode_of(key) for key in (secret_key, publishable_key) if key is not None}
    if len(modes) > 1:
        raise ConfigurationError(
            f"{names[0]} and {names[1]} are of different modes, one test and one live. "
            "Set both from the same mode of the PaySafer Dashboard."
        )
    return modes.pop() if modes else None


def check_base_url(url: object, *, name: str) -> str:
    """Return the API's address without a trailing slash.

    Plain ``http://`` is for loopback only (the local PaySafer): anywhere else
    the secret key would travel readable.

    :raises ConfigurationError: naming ``name`` and the cure.
    """
    if not isinstance(url, str) or not url.isascii() or not url.isprintable():
        raise ConfigurationError(f"{name} must be a URL such as https://api.paysafer.me/v1.")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise ConfigurationError(
            f"{name} is not a URL; set it to one such as https://api.paysafer.me/v1."
        ) from None
    if parts.scheme not in {"http", "https"} or not host or " " in url:
        raise ConfigurationError(
            f"{name} must begin with https:// and name a host, such as https://api.paysafer.me/v1."
        )
    if parts.query or parts.fragment or "@" in parts.netloc:
        raise ConfigurationError(f"{name} must hold no user, query or fragment.")
    if parts.scheme == "http" and not is_loopback(host):
        raise ConfigurationError(
            f"{name} uses http:// to a host that is not this machine, which would send the "
            "secret key unencrypted. Use https://."
        )
    return url.rstrip("/")


def is_loopback(host: str) -> bool:
    """Tell whether ``host`` (a name or an address) is this machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
