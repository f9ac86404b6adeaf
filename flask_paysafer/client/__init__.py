"""The API client.

Importing it loads no HTTP library: that comes with the first client that is made.
"""

from .client import AsyncPaySaferClient, PaySaferClient
from .flow import RateLimit
from .hooks import Attempt, AttemptRecord

__all__ = ["AsyncPaySaferClient", "Attempt", "AttemptRecord", "PaySaferClient", "RateLimit"]
