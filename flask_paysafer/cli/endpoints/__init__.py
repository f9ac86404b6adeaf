"""``flask paysafer endpoints``: where PaySafer sends this app's events."""

from .commands import endpoints

__all__ = ["endpoints"]
