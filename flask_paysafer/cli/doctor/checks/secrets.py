"""Which webhook secrets are in use, and when each last verified a delivery."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from ....errors import InboxUnavailableError
from ....webhooks.rotation import SecretUse, secret_uses
from ..findings import Finding, note, ok, warning
from ..patient import Patient


def check_secrets(patient: Patient) -> Iterator[Finding]:
    """Yield one finding for each secret."""
    if not patient.config.webhook_secrets:
        return
    now = datetime.fromtimestamp(patient.wall(), UTC)
    try:
        uses = secret_uses(patient.config, patient.state.inbox, now=now)
    except InboxUnavailableError:
        return  # the check of the inbox says why
    some_in_use = any(use.verdict == "in use" for use in uses)
    for use in uses:
        yield _judge(use, patient, some_in_use=some_in_use)


def _judge(use: SecretUse, patient: Patient, *, some_in_use: bool) -> Finding:
    setting = patient.setting("WEBHOOK_SECRET")
    name = f"Entry {use.position} of {setting} (fingerprint {use.fingerprint})"
    if use.verdict == "in use":
        return ok(f"{name} last verified a delivery {use.last_used_at:%Y-%m-%d %H:%M} UTC.")
    if use.verdict == "droppable":
        return note(
            f"{name} verified nothing since {use.last_used_at:%Y-%m-%d %H:%M} UTC, while another "
            "does.",
            cure=f"Take it out of {setting}: the rotation is over.",
        )
    if some_in_use:
        return warning(
            f"{name} has verified nothing yet.",
            why="It is new, or it is the secret of another endpoint.",
            cure="Once its endpoint has delivered something, look again; if it never does, take it "
            "out.",
        )
    return note(
        f"{name} has verified nothing yet.",
        cure="Pay once in test mode, or send an event: `flask paysafer trigger payment.completed`.",
    )
