"""Replace a webhook endpoint's signing secret, step by step, losing no delivery.

::

    begun ── create ──> created ── a delivery verified ──> verified ── delete the old one
                                                                            │
                   done <── drop the old secret <── its retries are over <──┘

How far a rotation has come is kept in the instance folder before and after each step, so that it
can be interrupted anywhere and run again. Until the last step both secrets verify.
"""

from __future__ import annotations

import json
import secrets
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from .. import signing
from ..errors import ConfigurationError, IdempotencyError, NotFoundError
from ..resources import WebhookEndpoint
from ..state import AppState
from ..webhooks.rotation import last_uses
from .arguments import as_ms, shown
from .env_file import EnvFile
from .output import say

WAITING = 3
"""The exit code while a rotation waits for something."""

RETRIES = timedelta(hours=35)
"""How long an endpoint's deliveries may still be retried: PaySafer does for 34 h 36 min."""

_POLL = 2.0


@dataclass
class Progress:
    """How far a rotation has come."""

    url: str
    old: list[str]
    """The endpoints that are replaced."""
    key: str = field(default_factory=lambda: secrets.token_hex(8))
    """Of the call that creates the new one, so that a lost answer can be asked for again."""
    env_file: str | None = None
    new: str | None = None
    fingerprint: str | None = None
    is_verified: bool = False
    deleted_at: float | None = None
    """Unix seconds: when the last of the old endpoints was deleted."""


class Rotation:
    """One rotation, begun or resumed."""

    def __init__(self, state: AppState, progress: Progress) -> None:
        self._state = state
        self._progress = progress
        self._setting = state.config.setting("WEBHOOK_SECRET")
        # Before anything is created: its secret can't be asked for again.
        self._env_file = EnvFile.open(Path(progress.env_file)) if progress.env_file else None

    @classmethod
    def begun(cls, state: AppState, url: str, env_file: Path | None) -> Rotation:
        """Return a new rotation of the endpoints at ``url``.

        :raises ConfigurationError: if there is none, or the file can't be written.
        """
        listed = state.client.webhook_endpoints.list(limit=100)
        old = [endpoint.id for endpoint in listed if endpoint.get("url") == url]
        if not old:
            raise ConfigurationError(
                f"PaySafer has no webhook endpoint for {url}. Register it with "
                f"`flask paysafer endpoints create --url {url}`."
            )
        path = str(env_file.resolve()) if env_file else None
        return cls(state, Progress(url, old, env_file=path))

    @classmethod
    def resumed(cls, state: AppState, env_file: Path | None) -> Rotation | None:
        """Return the rotation that is under way, or None."""
        try:
            progress = Progress(**json.loads(_path(state, "rotation").read_text("utf-8")))
        except (OSError, ValueError, TypeError):
            return None
        if env_file is not None:
            progress.env_file = str(env_file.resolve())
        say(f"Going on with the rotation of {progress.url}.")
        return cls(state, progress)

    def go_on(self, *, wait: float, confirms: bool) -> str | None:
        """Take the steps that can be taken now.

        :param wait: Seconds to wait for a delivery that the new secret verifies.
        :param confirms: Ask before a live endpoint is deleted.
        :return: What there is to wait for, or None if the rotation is over.
        """
        progress = self._progress
        if progress.new is None:
            self._create()
        if not progress.is_verified and not self._wait_until_verified(wait):
            return (
                f"No delivery was verified with the new secret ({progress.fingerprint}) yet. Set "
                f"{self._setting} to both where the shop runs, restart it, and run this again."
            )
        if progress.deleted_at is None:
            self._delete_old(confirms=confirms)
        over = progress.deleted_at or 0.0
        until = datetime.fromtimestamp(over, UTC) + RETRIES
        if self._state.now() < until:
            return (
                f"What the old endpoint could not deliver may be retried until "
                f"{shown(as_ms(until))}, signed with the old secret. Run this again after that."
            )
        self._drop()
        return None

    def _create(self) -> None:
        progress, client = self._progress, self._state.client
        self._save()
        old = client.webhook_endpoints.retrieve(progress.old[0])
        try:
            made = client.webhook_endpoints.create(
                url=progress.url,
                enabled_events=old.get("enabled_events") or ["*"],
                idempotency_key=f"rotate_{progress.key}",
            )
        except IdempotencyError as error:
            _path(self._state, "rotation").unlink(missing_ok=True)
            raise ConfigurationError(
                "An interrupted rotation has registered an endpoint, whose secret PaySafer does "
                "not show again. Find it with `flask paysafer endpoints list`, delete it, and run "
                "this again."
            ) from error
        self._publish(made)
        progress.new, progress.fingerprint = made.id, signing.fingerprint(made.secret or "")
        self._save()

    def _publish(self, made: WebhookEndpoint) -> None:
        KnownSecrets(self._state).add(made)
        say(f"Registered {made.url} once more, as {made.id}.")
        if self._env_file is None:
            say("Its signing secret, which PaySafer shows only now; put it before the present one:")
            say(f"{self._setting}={made.secret}", indent=2)
            return
        is_written = made.secret in self._env_file.values(self._setting)
        if not is_written:
            self._env_file.write(self._setting, made.secret or "", beside_present=True)
        say(f"Its secret is in {self._env_file.path}, before the present one. Restart the shop.")

    def _wait_until_verified(self, wait: float) -> bool:
        until = time.monotonic() + wait
        while self._progress.fingerprint not in last_uses(self._state.inbox):
            if time.monotonic() >= until:
                return False
            time.sleep(_POLL)
        say("The new secret verifies deliveries.")
        self._progress.is_verified = True
        self._save()
        return True

    def _delete_old(self, *, confirms: bool) -> None:
        for endpoint_id in self._progress.old:
            if confirms and self._state.config.livemode:
                click.confirm(f"Delete the old live endpoint {endpoint_id}?", abort=True)
            with suppress(NotFoundError):  # it was deleted before the process died
                self._state.client.webhook_endpoints.delete(endpoint_id)
            say(f"Deleted {endpoint_id}.")
        self._progress.deleted_at = self._state.now().timestamp()
        self._save()

    def _drop(self) -> None:
        kept = self._progress.fingerprint or ""
        if self._env_file is not None and self._env_file.keep_only(self._setting, kept):
            say(f"{self._env_file.path} holds the new secret alone. Restart the shop.")
        else:
            say(f"Take every secret but {kept} out of {self._setting}, and restart the shop.")
        _path(self._state, "rotation").unlink(missing_ok=True)
        say("The rotation is over.", style="bold green")

    def _save(self) -> None:
        path = _path(self._state, "rotation")
        _write(path, json.dumps(asdict(self._progress)))


class KnownSecrets:
    """Which endpoint has a secret of which fingerprint, as far as they were created here."""

    def __init__(self, state: AppState) -> None:
        self._path = _path(state, "endpoints")

    def of(self, endpoint_id: str) -> str | None:
        """Return the fingerprint of an endpoint's secret."""
        return self._read().get(endpoint_id)

    def add(self, made: WebhookEndpoint) -> None:
        """Remember the secret of an endpoint that was just created, by its fingerprint alone."""
        known = self._read() | {made.id: signing.fingerprint(made.secret or "")}
        with suppress(OSError):
            _write(self._path, json.dumps(known))

    def _read(self) -> dict[str, str]:
        try:
            known: dict[str, str] = json.loads(self._path.read_text("utf-8"))
        except (OSError, ValueError):
            return {}
        return known


def _path(state: AppState, name: str) -> Path:
    return Path(state.app.instance_path) / f"{state.config.name}-{name}.json"


def _write(path: Path, text: str) -> None:
    """Write a small file, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".new")
    beside.write_text(text, "utf-8")
    beside.replace(path)
