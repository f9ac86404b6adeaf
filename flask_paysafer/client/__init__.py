"""The API client.

Importing it loads no HTTP library: that comes with the first client that is made.
"""

from .async_client import AsyncPaySaferClient
from .hooks import Attempt, AttemptRecord
from .rates import RateLimit
from .sync_client import PaySaferClient

__all__ = ["AsyncPaySaferClient", "Attempt", "AttemptRecord", "PaySaferClient", "RateLimit"]
