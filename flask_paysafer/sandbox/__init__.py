"""A local PaySafer: its own Flask app over real HTTP."""

from .app import Sandbox
from .errors import ApiError
from .sender import WebhookRequest, WebhookResponse

__all__ = ["ApiError", "Sandbox", "WebhookRequest", "WebhookResponse"]
