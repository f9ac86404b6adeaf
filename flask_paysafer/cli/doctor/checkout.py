"""Whether the checkout's pages can work in this app."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import SplitResult, urlsplit

from flask import Flask
from werkzeug.test import Client

from ..arguments import is_local
from .checking import CheckContext, Finding, error, ok, warning

_SHORT = 16


def check_checkout(context: CheckContext) -> Iterator[Finding]:
    """Yield what stands in the way of the checkout, where there is one."""
    if not context.has_checkout:
        return
    found = [*_secret_key(context), *_cookies(context), *_policy(context)]
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


def _cookies(context: CheckContext) -> Iterator[Finding]:
    """Yield why the session's cookie does not come back, and with it no form."""
    settings, url = context.state.app.config, urlsplit(context.url or "")
    reason = "The checkout's form is tied to the session: each payment is refused as expired."
    domain = (settings.get("SESSION_COOKIE_DOMAIN") or "").lstrip(".")
    host = url.hostname or ""
    if domain and host and host != domain and not host.endswith(f".{domain}"):
        yield error(
            f"SESSION_COOKIE_DOMAIN is {domain!r}, and the shop is at {host}: no browser keeps "
            "the cookie.",
            reason=reason,
            hint="Remove SESSION_COOKIE_DOMAIN, or set it to the shop's own domain.",
        )
    is_secure = bool(settings.get("SESSION_COOKIE_SECURE"))
    if is_secure and url.scheme == "http" and not is_local(context.url or ""):
        yield error(
            "SESSION_COOKIE_SECURE is on, and the shop is at an http:// address.",
            reason=reason,
            hint="Serve the shop by https://; if a proxy does, set PREFERRED_URL_SCHEME to https.",
        )
    path = settings.get("SESSION_COOKIE_PATH") or ""
    if path and not f"{context.path}/".startswith(f"{path.rstrip('/')}/"):
        yield error(
            f"SESSION_COOKIE_PATH is {path!r}, and the checkout is at {context.config.url_prefix}.",
            reason=reason,
            hint="Remove SESSION_COOKIE_PATH, or set it to a path that both are below.",
        )
    yield from _same_site(str(settings.get("SESSION_COOKIE_SAMESITE") or ""), is_secure, reason)


def _same_site(value: str, is_secure: bool, reason: str) -> Iterator[Finding]:
    if value.lower() == "strict":
        yield warning(
            "SESSION_COOKIE_SAMESITE is 'Strict'.",
            reason="Who comes back from the bank comes from another site, without the session: "
            "logged out, and without what the shop had noted.",
            hint="Set SESSION_COOKIE_SAMESITE to 'Lax'.",
        )
    if value.lower() == "none" and not is_secure:
        yield error(
            "SESSION_COOKIE_SAMESITE is 'None' without SESSION_COOKIE_SECURE: no browser keeps "
            "the cookie.",
            reason=reason,
            hint="Set SESSION_COOKIE_SECURE, or SESSION_COOKIE_SAMESITE to 'Lax'.",
        )


def _policy(context: CheckContext) -> Iterator[Finding]:
    """Judge the policy that the app's own hooks put on every answer."""
    path = f"{context.config.url_prefix}/assets/doctor/none"
    with Client(context.state.app).get(path) as response:
        policies = response.headers.getlist("Content-Security-Policy")
    api = urlsplit(context.config.api_base)
    for policy in policies:
        yield from _judge(_directives(policy), api, _author_of_policy(context.state.app))


def _author_of_policy(app: Flask) -> str:
    """Return what sets the policy, in words."""
    hooks = app.after_request_funcs.get(None, [])
    if any(getattr(hook, "__module__", "").startswith("flask_talisman") for hook in hooks):
        return "Flask-Talisman's Content-Security-Policy"
    return "The app's Content-Security-Policy"


def _directives(policy: str) -> dict[str, list[str]]:
    words = [part.split() for part in policy.split(";") if part.strip()]
    return {name.lower(): sources for name, *sources in words}


def _judge(directives: dict[str, list[str]], api: SplitResult, author: str) -> Iterator[Finding]:
    origin = f"{api.scheme}://{api.netloc}"
    for name, needed, purpose in (
        ("connect-src", origin, "The card's token can't be made: no customer can pay"),
        ("script-src", "'self'", "The checkout's script is not run: no customer can pay"),
        ("style-src", "'self'", "The checkout has no style"),
        ("form-action", "'self'", "The checkout's form can't be sent: no customer can pay"),
    ):
        sources = directives.get(
            name, None if name == "form-action" else directives.get("default-src")
        )
        if sources is not None and not _allows(sources, needed, api):
            yield error(
                f"{author} forbids {needed} in {name}.",
                reason=f"{purpose}.",
                hint=f"Add {needed} to {name} for the checkout's pages"
                f"{_in_talisman(author, name, needed)}.",
            )
    if "'strict-dynamic'" in directives.get("script-src", directives.get("default-src", [])):
        yield warning(
            f"{author} has 'strict-dynamic'.",
            reason="Browsers then ignore 'self', and do not run the checkout's script.",
            hint="Leave it out for the checkout's pages.",
        )


def _in_talisman(author: str, name: str, needed: str) -> str:
    if "Talisman" not in author:
        return ""
    quoted = needed if needed != "'self'" else ""
    sources = f"'self' {quoted}".strip()
    return f': Talisman(app, content_security_policy={{…, "{name}": "{sources}"}})'


def _allows(sources: list[str], needed: str, api: SplitResult) -> bool:
    if needed in sources or "*" in sources:
        return True
    if needed == "'self'":
        return False
    wildcard = f"*.{(api.hostname or '').partition('.')[2]}"
    allowed = {f"{api.scheme}:", api.netloc, wildcard, f"{api.scheme}://{wildcard}"}
    return not allowed.isdisjoint(source.rstrip("/") for source in sources)
