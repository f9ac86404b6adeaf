"""Whether the settings are right, and are what the extension read."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import fields
from difflib import get_close_matches

from ...config import SETTING_NAMES, Config, load_config
from ...errors import ConfigurationError
from ...profile import ApiProfile
from ...state import states
from .checking import CheckContext, Finding, error, note, ok, warning

_EXAMPLE = re.compile(r"(?i)x{4,}|example|change.?me|your|acmeshop|placeholder|123456789|…|\.\.\.")
_LONGEST_TOLERANCE = 900
_LONGEST_DEADLINE = 29
_LEAST_BYTES = 32_768


def check_settings(context: CheckContext) -> Iterator[Finding]:
    """Yield what the settings are and what they should be."""
    found = [
        *_missing(context),
        *_examples(context),
        *_mode(context),
        *_times(context),
    ]
    if all(finding.level == "note" for finding in found):
        yield ok(f"All settings of {context.config.name} are there and agree.")
    yield from found


def _missing(context: CheckContext) -> Iterator[Finding]:
    config = context.config
    if config.secret_key is None:
        yield error(
            f"{context.setting('SECRET_KEY')} is not set.",
            reason="No payment can be created, and no refund made.",
            hint="Copy sk_test_… from the PaySafer Dashboard and set it.",
        )
    if not config.webhook_secrets:
        yield error(
            f"{context.setting('WEBHOOK_SECRET')} is not set.",
            reason="The webhook answers 503 to everything: no order is ever fulfilled.",
            hint="Run `flask paysafer endpoints create` and set it to the secret that is shown.",
        )
    if config.publishable_key is None and context.has_checkout:
        yield error(
            f"{context.setting('PUBLISHABLE_KEY')} is not set.",
            reason="The checkout page can't be shown: it makes its tokens with this key.",
            hint="Copy pk_… of the same mode from the PaySafer Dashboard.",
        )


def _examples(context: CheckContext) -> Iterator[Finding]:
    config = context.config
    values = {"WEBHOOK_SECRET": ",".join(config.webhook_secrets)}
    if not context.is_local:  # the local PaySafer takes any key
        values |= {
            "SECRET_KEY": config.secret_key or "",
            "PUBLISHABLE_KEY": config.publishable_key or "",
        }
    for suffix, value in values.items():
        if _EXAMPLE.search(value):
            yield (error if config.livemode else warning)(
                f"{context.setting(suffix)} holds an example value.",
                reason="Anybody can know it: with the secret, anybody can send paid orders.",
                hint="Replace it with your own from the PaySafer Dashboard.",
            )


def _mode(context: CheckContext) -> Iterator[Finding]:
    config, app = context.config, context.state.app
    base = context.setting("API_BASE")
    if context.is_local and config.livemode:
        yield error(
            f"The keys are live and {base} is the local PaySafer.",
            reason="No customer is ever charged, and a live key lies in a test's log.",
            hint=f"Remove {base}, or use test keys.",
        )
    elif context.is_local:
        yield note(f"{base} is the local PaySafer: no money moves.")
    elif config.mode is not None:
        yield note(f"The keys are of {config.mode} mode.")
    if config.livemode and app.debug:
        yield error(
            "The app is in debug mode with live keys.",
            reason="Flask's debugger runs any code for whoever reaches an error page.",
            hint="Run it without --debug, and with FLASK_DEBUG unset.",
        )


def _times(context: CheckContext) -> Iterator[Finding]:
    config = context.config
    tolerance = context.setting("WEBHOOK_TOLERANCE")
    if config.webhook_tolerance < 60:
        yield warning(
            f"{tolerance} is {config.webhook_tolerance} seconds.",
            reason="A delivery that the network holds up for longer is refused.",
            hint=f"Remove {tolerance}: its default is 300.",
        )
    if config.webhook_tolerance > _LONGEST_TOLERANCE:
        yield warning(
            f"{tolerance} is {config.webhook_tolerance} seconds.",
            reason="A recorded delivery can be replayed for as long.",
            hint=f"Remove {tolerance}: its default is 300, and retries are signed anew.",
        )
    if config.timeout > config.deadline:
        yield warning(
            f"{context.setting('TIMEOUT')} is longer than {context.setting('DEADLINE')}.",
            reason="One attempt uses up the whole call: nothing is ever tried again.",
            hint=f"Set {context.setting('TIMEOUT')} to less than half of it.",
        )
    if config.deadline > _LONGEST_DEADLINE:
        yield warning(
            f"{context.setting('DEADLINE')} is {config.deadline:g} seconds.",
            reason="Web servers give up on a request sooner (gunicorn after 30 s) and end the "
            "worker: the outcome of the call is lost.",
            hint="Set it to less than the server's own limit.",
        )
    if config.webhook_max_bytes < _LEAST_BYTES:
        yield warning(
            f"{context.setting('WEBHOOK_MAX_BYTES')} is {config.webhook_max_bytes} bytes.",
            reason="An event with a few notes in its metadata may be larger, and is then "
            "refused for good.",
            hint=f"Remove {context.setting('WEBHOOK_MAX_BYTES')}: its default is 262144.",
        )
    yield from _check_profile(context)
    if config.signature_scheme in {"body", "body-base64"}:
        yield warning(
            f"The signature scheme {config.signature_scheme} signs the body alone.",
            reason="The time is not signed, so only the inbox stops what is played back.",
            hint="Use it only if PaySafer signs like this; prune the inbox late.",
        )


def _check_profile(context: CheckContext) -> Iterator[Finding]:
    config = context.config
    named = config.profile.webhooks.scheme
    if config.signature_scheme != named and config.profile != ApiProfile():
        yield warning(
            f"{context.setting('SIGNATURE_SCHEME')} is set, and the API profile's "
            f"webhooks.scheme is {named!r}.",
            reason="The setting wins.",
            hint="Remove one of them.",
        )
    if not config.profile.webhooks.resigned_on_retry:
        yield warning(
            "Deliveries are taken up to 35 hours after they were signed.",
            reason="webhooks.resigned_on_retry of the API profile is false, so that retries pass; "
            "a copy of a delivery is refused by its event's id only.",
            hint="Prune the inbox late, and never below 35 days.",
        )


_ALIKE = 0.75


def check_names(context: CheckContext) -> Iterator[Finding]:
    """Yield the settings that have no effect."""
    yield from _misspelt(context)
    yield from _unread(context)
    yield from _too_late(context)


def _misspelt(context: CheckContext) -> Iterator[Finding]:
    prefix = context.setting("")
    for name in sorted({*context.state.app.config, *os.environ}):
        meant = _meant(name.removeprefix(prefix)) if name.startswith(prefix) else None
        if meant is not None and not _is_of_account(name, context):
            yield warning(
                f"{name} is set, and there is no such setting.",
                reason="It has no effect.",
                hint=f"If {prefix}{meant} is meant, rename it; else remove it.",
            )


def _meant(ending: str) -> str | None:
    """Return what looks like ``ending`` and is a setting; nothing for another account's own."""
    if any(f"_{ending}".endswith(f"_{known}") for known in SETTING_NAMES):
        return None
    return next(iter(get_close_matches(ending, SETTING_NAMES, n=1, cutoff=_ALIKE)), None)


def _is_of_account(name: str, context: CheckContext) -> bool:
    """Whether a longer account name begins like this one, as paysafer_eu does like paysafer."""
    own = context.config.name
    longer = [other for other in states(context.state.app) if len(other) > len(own)]
    return any(name.startswith(f"{other.upper()}_") for other in longer)


def _unread(context: CheckContext) -> Iterator[Finding]:
    config = context.state.app.config
    for setting in map(context.setting, SETTING_NAMES):
        if f"FLASK_{setting}" in os.environ and config.get(setting) is None:
            yield warning(
                f"FLASK_{setting} is in the environment, and the app does not read it.",
                reason="It has no effect.",
                hint="Call app.config.from_prefixed_env() before paysafer.init_app(app), or name "
                f"it {setting}.",
            )


def _too_late(context: CheckContext) -> Iterator[Finding]:
    app = context.state.app
    setting = context.setting("API_PROFILE")
    is_set = app.config.get(setting) is not None or setting in os.environ
    try:
        now = load_config(
            app.config,
            os.environ,
            name=context.config.name,
            profile=None if is_set else context.config.profile,
            root=app.root_path,
        )
    except ConfigurationError:
        return
    for suffix, attribute in zip(SETTING_NAMES, _ATTRIBUTES, strict=True):
        if getattr(now, attribute) != getattr(context.config, attribute):
            yield warning(
                f"{context.setting(suffix)} was changed after the extension had read it.",
                reason="Settings are read once, by init_app: the change has no effect.",
                hint="Set it before paysafer.init_app(app), or before PaySafer(app).",
            )


_ATTRIBUTES = tuple(field.name for field in fields(Config) if field.name != "name")
"""What the settings fill, in their order."""
