"""Webhook endpoints: where PaySafer sends events."""

from __future__ import annotations

from .base import Resource

__all__ = ["WebhookEndpoint"]


class WebhookEndpoint(Resource):
    """An address that PaySafer sends events to."""

    __slots__ = ()

    url: str
    """The address."""
    enabled_events: list[str]
    """The event types it gets; ``["*"]`` for all."""
    status: str
    """``enabled``, or what PaySafer adds later."""
    created: int
    """Unix seconds."""
    livemode: bool
    """True for an endpoint of live mode."""
    secret: str | None
    """The signing secret (``whsec_…``): in the answer to ``create`` only. Store it then."""
    deleted: bool | None
    """True in the answer to ``delete``; the other fields are absent there."""
