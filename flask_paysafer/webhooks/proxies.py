"""Notice a reverse proxy that the app has not been told of."""

from __future__ import annotations

import logging
from typing import Any
from weakref import WeakSet

from flask import Flask

logger = logging.getLogger(__name__)

_seen: WeakSet[Flask] = WeakSet()


def notice_proxy(app: Flask, environ: dict[str, Any]) -> None:
    """Log, once per app, that forwarded headers come in and nothing takes notice of them."""
    is_unheeded = "HTTP_X_FORWARDED_FOR" in environ and "werkzeug.proxy_fix.orig" not in environ
    if is_unheeded and app not in _seen:
        _seen.add(app)
        logger.warning(
            "Deliveries come through a proxy and the app does not use Werkzeug's ProxyFix: it "
            "takes the proxy's address for PaySafer's, and builds http:// links."
        )


def has_unheeded_proxy(app: Flask) -> bool:
    """Whether this process has met such a proxy."""
    return app in _seen
