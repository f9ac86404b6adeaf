"""Find the address at which PaySafer reaches this app's webhook."""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit

from ..errors import ConfigurationError
from ..keys import is_loopback
from ..state import AppState


def webhook_path(state: AppState) -> str:
    """Return the path of the webhook route within the app."""
    return f"{state.config.url_prefix}/webhook"


def webhook_url(state: AppState, given: str | None = None) -> str:
    """Return the webhook's whole address.

    :param given: The address, or only the site's (``https://shop.example``). None: made
        from the app's ``SERVER_NAME`` and ``PREFERRED_URL_SCHEME``.
    :raises ConfigurationError: if the address is not known, or can't be one.
    """
    if given is not None:
        return _completed(given, state)
    known = known_webhook_url(state)
    if known is None:
        raise ConfigurationError(
            "This app does not know its own address. Pass it with --url https://shop.example, "
            "or set SERVER_NAME."
        )
    return known


def known_webhook_url(state: AppState) -> str | None:
    """Return the webhook's address as the app's settings tell it, or None."""
    name = state.app.config.get("SERVER_NAME")
    if not name:
        return None
    scheme = state.app.config.get("PREFERRED_URL_SCHEME") or "http"
    root = (state.app.config.get("APPLICATION_ROOT") or "/").rstrip("/")
    return f"{scheme}://{name}{root}{webhook_path(state)}"


def _completed(given: str, state: AppState) -> str:
    parts = _split(given)
    if parts is None:
        raise ConfigurationError(
            f"{given!r:.200} is no address. Write it like https://shop.example or "
            f"https://shop.example{webhook_path(state)}."
        )
    path = parts.path if parts.path.strip("/") else webhook_path(state)
    return parts._replace(path=path, fragment="").geturl()


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        is_address = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return None
    return parts if is_address and url.isprintable() and " " not in url else None


def is_local(url: str) -> bool:
    """Whether the address is of this machine, so that only a local PaySafer can reach it."""
    return is_loopback(urlsplit(url).hostname or "")
