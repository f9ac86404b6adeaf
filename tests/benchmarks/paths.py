"""Which paths are measured, and where. Each is imported when it is asked for: peers are heavy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module

from .findings import Finding, Unavailable
from .measuring import Effort

Path = Callable[[Effort], Iterator[Finding]]

PATHS = {
    "verify": "verification",
    "import": "importing",
    "inline": "inline",
    "client": "calling",
    "djstripe": "djstripe_view",
    "queued": "queued",
    "gunicorn": "served",
    "celery": "backlog",
    "growth": "growth",
    "memory": "memory",
    "checkout": "checkout_page",
    "sandbox": "local_paysafer",
}
"""Each path's name on the command line, and its module, which has ``measure``."""


def load(name: str) -> Path:
    """Return the path called ``name``.

    :raises Unavailable: if a package that it needs is not installed.
    """
    try:
        found: Path = import_module(f"{__package__}.{PATHS[name]}").measure
    except ModuleNotFoundError as error:
        raise Unavailable(f'{error.name} is not installed: pip install -e ".[bench]"') from None
    return found
