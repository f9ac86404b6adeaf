"""``flask paysafer doctor``: says what is wrong, and how to mend it, before customers do."""

from .command import doctor

__all__ = ["doctor"]
