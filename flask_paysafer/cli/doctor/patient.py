"""What the checks look at: one account of one app."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from ...client import PaySaferClient
from ...config import Config
from ...events import EVENT_TYPES
from ...keys import is_loopback
from ...state import AppState
from ..addresses import known_webhook_url, webhook_path, webhook_url

BOUND = 8.0
"""Seconds that any one look at the network may take."""


@dataclass
class Patient:
    """One account, and what is known of how it is reached."""

    state: AppState
    is_offline: bool = False
    """Nothing outside of this machine's files and databases is asked."""
    given_url: str | None = None
    wall: Callable[[], float] = time.time

    @property
    def config(self) -> Config:
        """The account's settings."""
        return self.state.config

    def setting(self, suffix: str) -> str:
        """Return a setting's full name."""
        return self.config.setting(suffix)

    @cached_property
    def client(self) -> PaySaferClient:
        """The API client, which gives up soon."""
        return self.state.client.with_options(timeout=BOUND / 2, deadline=BOUND, max_retries=0)

    @property
    def asks_api(self) -> bool:
        """Whether the API can be asked."""
        return self.config.secret_key is not None and not self.is_offline

    @property
    def is_local(self) -> bool:
        """Whether the API is the local PaySafer."""
        host = self.config.api_base.split("://")[1].partition("/")[0]
        return is_loopback(host.rsplit(":", 1)[0].strip("[]"))

    @property
    def path(self) -> str:
        """The webhook's path."""
        return webhook_path(self.state)

    @property
    def url(self) -> str | None:
        """The webhook's address, as far as it is known here."""
        if self.given_url is not None:
            return webhook_url(self.state, self.given_url)
        return known_webhook_url(self.state)

    @property
    def has_checkout(self) -> bool:
        """Whether the shop sells through the checkout."""
        return self.state.registrations.order_loader is not None

    def handled_types(self) -> list[str]:
        """Return the documented types that a handler or receiver is for."""
        wants = self.state.event_run.jobs.wants
        return [kind for kind in EVENT_TYPES if wants(kind)]
