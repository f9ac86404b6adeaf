"""``flask paysafer reconcile``: find what no event told of, and have it handled."""

from .command import reconcile

__all__ = ["reconcile"]
