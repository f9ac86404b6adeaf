"""A local PaySafer: its own Flask app over real HTTP."""

from .courier import Parcel, Reply
from .failures import ApiError
from .sandbox import Sandbox

__all__ = ["ApiError", "Parcel", "Reply", "Sandbox"]
