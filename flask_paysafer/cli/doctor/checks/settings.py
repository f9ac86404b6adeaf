"""The settings that are well-formed and yet not right."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..findings import Finding, error, note, ok, warning
from ..patient import Patient

_EXAMPLE = re.compile(r"(?i)x{4,}|example|change.?me|your|acmeshop|placeholder|123456789|…|\.\.\.")
_LONGEST_TOLERANCE = 900
_LONGEST_DEADLINE = 29
_LEAST_BYTES = 32_768


def check_settings(patient: Patient) -> Iterator[Finding]:
    """Yield what the settings are and what they should be."""
    found = [
        *_missing(patient),
        *_examples(patient),
        *_mode(patient),
        *_times(patient),
    ]
    if all(finding.level == "note" for finding in found):
        yield ok(f"All settings of {patient.config.name} are there and agree.")
    yield from found


def _missing(patient: Patient) -> Iterator[Finding]:
    config = patient.config
    if config.secret_key is None:
        yield error(
            f"{patient.setting('SECRET_KEY')} is not set.",
            why="No payment can be created, and no refund made.",
            cure="Copy sk_test_… from the PaySafer Dashboard and set it.",
        )
    if not config.webhook_secrets:
        yield error(
            f"{patient.setting('WEBHOOK_SECRET')} is not set.",
            why="The webhook answers 503 to everything: no order is ever fulfilled.",
            cure="Run `flask paysafer endpoints create` and set it to the secret that is shown.",
        )
    if config.publishable_key is None and patient.has_checkout:
        yield error(
            f"{patient.setting('PUBLISHABLE_KEY')} is not set.",
            why="The checkout page can't be shown: it makes its tokens with this key.",
            cure="Copy pk_… of the same mode from the PaySafer Dashboard.",
        )


def _examples(patient: Patient) -> Iterator[Finding]:
    config = patient.config
    values = {"WEBHOOK_SECRET": ",".join(config.webhook_secrets)}
    if not patient.is_local:  # the local PaySafer takes any key
        values |= {
            "SECRET_KEY": config.secret_key or "",
            "PUBLISHABLE_KEY": config.publishable_key or "",
        }
    for suffix, value in values.items():
        if _EXAMPLE.search(value):
            yield (error if config.livemode else warning)(
                f"{patient.setting(suffix)} holds an example value.",
                why="Anybody can know it: with the secret, anybody can send paid orders.",
                cure="Replace it by your own from the PaySafer Dashboard.",
            )


def _mode(patient: Patient) -> Iterator[Finding]:
    config, app = patient.config, patient.state.app
    base = patient.setting("API_BASE")
    if patient.is_local and config.livemode:
        yield error(
            f"The keys are live and {base} is the local PaySafer.",
            why="No customer is ever charged, and a live key lies in a test's log.",
            cure=f"Remove {base}, or use test keys.",
        )
    elif patient.is_local:
        yield note(f"{base} is the local PaySafer: no money moves.")
    elif config.mode is not None:
        yield note(f"The keys are of {config.mode} mode.")
    if config.livemode and app.debug:
        yield error(
            "The app is in debug mode with live keys.",
            why="Flask's debugger runs any code for whoever reaches an error page.",
            cure="Run it without --debug, and with FLASK_DEBUG unset.",
        )


def _times(patient: Patient) -> Iterator[Finding]:
    config = patient.config
    tolerance = patient.setting("WEBHOOK_TOLERANCE")
    if config.webhook_tolerance < 60:
        yield warning(
            f"{tolerance} is {config.webhook_tolerance} seconds.",
            why="A delivery that the network holds up for longer is refused.",
            cure=f"Remove {tolerance}: its default is 300.",
        )
    if config.webhook_tolerance > _LONGEST_TOLERANCE:
        yield warning(
            f"{tolerance} is {config.webhook_tolerance} seconds.",
            why="A delivery that somebody recorded can be played back for as long.",
            cure=f"Remove {tolerance}: its default is 300, and retries are signed anew.",
        )
    if config.timeout > config.deadline:
        yield warning(
            f"{patient.setting('TIMEOUT')} is longer than {patient.setting('DEADLINE')}.",
            why="One attempt uses up the whole call: nothing is ever tried again.",
            cure=f"Set {patient.setting('TIMEOUT')} to less than half of it.",
        )
    if config.deadline > _LONGEST_DEADLINE:
        yield warning(
            f"{patient.setting('DEADLINE')} is {config.deadline:g} seconds.",
            why="Web servers give up on a request sooner (gunicorn after 30 s) and end the worker, "
            "so that nobody learns how the call went.",
            cure="Set it to less than the server's own limit.",
        )
    if config.webhook_max_bytes < _LEAST_BYTES:
        yield warning(
            f"{patient.setting('WEBHOOK_MAX_BYTES')} is {config.webhook_max_bytes} bytes.",
            why="An event with a few notes in its metadata may be larger, and is then refused for "
            "good.",
            cure=f"Remove {patient.setting('WEBHOOK_MAX_BYTES')}: its default is 262144.",
        )
    if config.signature_scheme == "body":
        yield warning(
            f"{patient.setting('SIGNATURE_SCHEME')} signs the body alone.",
            why="The time is not signed, so only the inbox stops what is played back.",
            cure="Use it only if PaySafer signs like this; prune the inbox late.",
        )
