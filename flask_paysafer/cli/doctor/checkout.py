"""Whether the checkout's pages can work in this app."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import SplitResult, urlsplit

from werkzeug.test import Client

from .checking import CheckContext, Finding, error, ok, warning

_SHORT = 16


def check_checkout(context: CheckContext) -> Iterator[Finding]:
    """Yield what stands in the way of the checkout, where there is one."""
    if not context.has_checkout:
        return
    found = [*_secret_key(context), *_policy(context)]
    yield from found or [
        ok("The checkout has what it needs: a SECRET_KEY, and no policy forbids it.")
    ]


def _secret_key(context: CheckContext) -> Iterator[Finding]:
    key = context.state.app.secret_key
    make = "Make one with: python -c 'import secrets; print(secrets.token_hex())'."
    if not key:
        yield error(
            "The app has no SECRET_KEY.",
            reason="The checkout can't protect its form, and answers with an error.",
            hint=f"Set SECRET_KEY to a long random value that all workers share. {make}",
        )
    elif len(key) < _SHORT and context.config.livemode:
        yield error(
            f"The app's SECRET_KEY has only {len(key)} characters.",
            reason="Whoever guesses it can forge sessions and the checkout's form.",
            hint=make,
        )


def _policy(context: CheckContext) -> Iterator[Finding]:
    """Judge the policy that the app's own hooks put on every answer."""
    path = f"{context.config.url_prefix}/assets/doctor/none"
    with Client(context.state.app).get(path) as response:
        policies = response.headers.getlist("Content-Security-Policy")
    api = urlsplit(context.config.api_base)
    for policy in policies:
        yield from _judge(_directives(policy), api)


def _directives(policy: str) -> dict[str, list[str]]:
    words = [part.split() for part in policy.split(";") if part.strip()]
    return {name.lower(): sources for name, *sources in words}


def _judge(directives: dict[str, list[str]], api: SplitResult) -> Iterator[Finding]:
    origin = f"{api.scheme}://{api.netloc}"
    for name, needed, purpose in (
        ("connect-src", origin, "The card's token can't be made: nobody can pay"),
        ("script-src", "'self'", "The checkout's script is not run: nobody can pay"),
        ("style-src", "'self'", "The checkout has no style"),
        ("form-action", "'self'", "The checkout's form can't be sent: nobody can pay"),
    ):
        sources = directives.get(
            name, None if name == "form-action" else directives.get("default-src")
        )
        if sources is not None and not _allows(sources, needed, api):
            yield error(
                f"The app's Content-Security-Policy forbids {needed} in {name}.",
                reason=f"{purpose}.",
                hint=f"Add {needed} to {name} for the checkout's pages.",
            )
    if "'strict-dynamic'" in directives.get("script-src", directives.get("default-src", [])):
        yield warning(
            "The app's Content-Security-Policy has 'strict-dynamic'.",
            reason="Browsers then ignore 'self', and do not run the checkout's script.",
            hint="Leave it out for the checkout's pages.",
        )


def _allows(sources: list[str], needed: str, api: SplitResult) -> bool:
    if needed in sources or "*" in sources:
        return True
    if needed == "'self'":
        return False
    wildcard = f"*.{(api.hostname or '').partition('.')[2]}"
    allowed = {f"{api.scheme}:", api.netloc, wildcard, f"{api.scheme}://{wildcard}"}
    return not allowed.isdisjoint(source.rstrip("/") for source in sources)
