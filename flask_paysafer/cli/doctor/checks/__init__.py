"""The checks, in the order in which they are shown."""

from ..running import Check
from .api import check_api
from .celery import check_celery
from .checkout import check_checkout
from .endpoints import check_endpoints
from .handlers import check_handlers
from .inbox import check_inbox
from .names import check_names
from .proxies import check_proxies
from .route import check_public_route, check_route
from .secrets import check_secrets
from .settings import check_settings

__all__ = ["CHECKS"]

CHECKS = (
    Check("settings", check_settings),
    Check("setting names", check_names),
    Check("api", check_api),
    Check("endpoints", check_endpoints),
    Check("route", check_route),
    Check("public route", check_public_route),
    Check("proxies", check_proxies),
    Check("webhook secrets", check_secrets),
    Check("inbox", check_inbox),
    Check("handlers", check_handlers),
    Check("celery", check_celery),
    Check("checkout", check_checkout),
)
