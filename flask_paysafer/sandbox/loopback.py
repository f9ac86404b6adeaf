"""Keep steering and the dashboard to this machine.

A page on another site can make a browser send requests here, and can even
make its own name lead here; so the address, ``Host`` and ``Origin`` must all
be ours.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Request, abort

from .courier import is_loopback


def require_loopback(request: Request) -> None:
    """Return quietly for a request from this machine's own user.

    :raises werkzeug.exceptions.Forbidden: for any other.
    """
    origin = request.headers.get("Origin")
    if not (
        _comes_from_here(request)
        and _names_loopback(request.host)
        and (origin is None or origin.lower() == f"{request.scheme}://{request.host}".lower())
    ):
        abort(403)


def _comes_from_here(request: Request) -> bool:
    """No address at all: no server is between, so it is this very process that asks."""
    return "REMOTE_ADDR" not in request.environ or is_loopback(request.remote_addr or "")


def _names_loopback(host: str) -> bool:
    try:
        return is_loopback(urlsplit(f"//{host}").hostname or "")
    except ValueError:
        return False
