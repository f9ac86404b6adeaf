"""Signs and delivers for the cases of an exam."""

from __future__ import annotations

import itertools
import secrets
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ... import signing
from ...config import Config
from ...errors import ConfigurationError
from ...translation import event_in_their_words
from ...webhooks.rehearsal import signer
from .events import exam_event, written
from .speaking import Header, Reply, Speaker

FOREIGN_SECRET = "whsec_nobodyHasConfiguredThisSecret"  # noqa: S105 (an attacker's guess, no secret)


class Examiner:
    """One exam of one shop: its events' ids are its own, so that exams can be repeated.

    :raises ConfigurationError: if the settings leave nothing to sign with.
    """

    def __init__(self, config: Config, speaker: Speaker, *, kind: str) -> None:
        if not config.webhook_secrets:
            raise ConfigurationError(
                f"{config.setting('WEBHOOK_SECRET')} is not set. An exam signs with the secret "
                "that the shop checks with: run it with the shop's own settings."
            )
        self.config = config
        self.kind = kind
        self._speaker = speaker
        self._run = secrets.token_hex(4)
        self._numbers = itertools.count(1)
        self._sign = signer(config)
        self.event_ids: list[str] = []
        self.bodies: list[bytes] = []

    @property
    def signs_time(self) -> bool:
        """Whether the scheme signs the time, so that a signature can be too old."""
        return bool(self.config.signature_scheme == "timestamped")

    def event(self, kind: str | None = None, *, age: int = 0, **changes: Any) -> dict[str, Any]:
        """Return a new event, made ``age`` seconds ago."""
        event_id = f"evt_exam_{self._run}_{next(self._numbers)}"
        self.event_ids.append(event_id)
        made = exam_event(event_id, kind or self.kind, int(time.time()) - age, **changes)
        return event_in_their_words(self.config.profile, made)

    def body(self, kind: str | None = None, **changes: Any) -> bytes:
        """Return a new event's bytes."""
        return written(self.event(kind, **changes))

    def signature(self, body: bytes, *, secret: str | None = None, age: int = 0) -> str:
        """Return the header for ``body``, signed ``age`` seconds ago."""
        key = self.config.webhook_secrets[0] if secret is None else secret
        return self._sign(body, key, timestamp=int(time.time()) - age)

    def deliver(
        self,
        body: bytes,
        *signatures: str,
        method: str = "POST",
        chunked: bool = False,
        suffix: str = "",
        headers: Sequence[Header] = (("Content-Type", "application/json"),),
    ) -> Reply:
        """POST ``body`` with the signature headers given, or with none."""
        signed = [(signing.HEADER, signature) for signature in signatures]
        self.bodies.append(body)
        return self._speaker.send(method, [*headers, *signed], body, chunked=chunked, suffix=suffix)

    def deliver_genuine(self, body: bytes | None = None, **request: Any) -> Reply:
        """POST ``body``, by default a new event, as PaySafer would."""
        body = self.body() if body is None else body
        return self.deliver(body, self.signature(body), **request)

    def deliver_at_once(self, body: bytes, times: int) -> list[Reply]:
        """POST the same event ``times`` times at the same moment."""
        with ThreadPoolExecutor(times) as pool:
            return list(pool.map(lambda _: self.deliver_genuine(body), range(times)))
