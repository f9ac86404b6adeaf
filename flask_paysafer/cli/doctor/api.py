"""Whether the shop reaches the API, and PaySafer knows where events go."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from ...errors import APIConnectionError, AuthenticationError, InboxUnavailableError, PaySaferError
from ...inbox.queries import EventFilter
from ...resources import WebhookEndpoint
from ...webhooks.rotation import SecretUse, secret_uses
from ..arguments import is_local
from ..http import HTTPClient, ask_sandbox
from ..output import counted
from .checking import BOUND, CheckContext, Finding, error, note, ok, warning

_FUTURE = 60
"""Seconds that a signature may be ahead of this machine's clock before it is refused."""
_GRAIN = 1
"""Seconds: ``Date`` tells no finer time."""
_ON_ITS_WAY = 120
"""Seconds within which a payment's event need not have come."""


def check_api(context: CheckContext) -> Iterator[Finding]:
    """Yield what the API says."""
    if not context.asks_api:
        yield note(
            "The API was not asked.", hint="" if context.is_offline else "Set the keys first."
        )
        return
    yield _key(context)
    yield from _clock(context)


def _key(context: CheckContext) -> Finding:
    base = context.setting("API_BASE")
    try:
        context.client.payments.list(limit=1)
    except AuthenticationError:
        return error(
            f"PaySafer refuses the key in {context.setting('SECRET_KEY')}.",
            reason="Every call fails: no customer can pay.",
            hint="It was revoked, mistyped, or is limited to other addresses than this machine's: "
            "copy a fresh one from the Dashboard.",
        )
    except APIConnectionError as failure:
        hint = (
            "Start it with `paysafer-sandbox`"
            if context.is_local
            else "See whether this machine may connect to it: firewall, proxy, DNS"
        )
        return error(
            f"The API at {context.config.api_base} can't be reached: {failure.message}",
            reason="Nobody can pay.",
            hint=f"{hint}; the address is set by {base}.",
        )
    except PaySaferError as failure:
        return error(
            f"The API at {context.config.api_base} answers with an error: {failure.message}",
            reason="Nobody can pay while it lasts.",
            hint=f"Check that {base} ends in /v1; else see PaySafer's status page.",
        )
    return ok(f"The API at {context.config.api_base} answers and takes the key.")


def _clock(context: CheckContext) -> Iterator[Finding]:
    ahead = _seconds_ahead(context)
    if ahead is None:
        return
    text = f"This machine's clock is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'}"
    hint = "Let a time service (NTP) keep the clock."
    if ahead < -_FUTURE or ahead > context.config.webhook_tolerance + _GRAIN:
        yield error(
            f"{text} PaySafer's.",
            reason="Every delivery is refused as too old or too new.",
            hint=hint,
        )
    elif abs(ahead) > _FUTURE / 4:
        yield warning(
            f"{text} PaySafer's.",
            reason="Deliveries will be refused if it drifts further.",
            hint=hint,
        )
    else:
        yield ok("This machine's clock agrees with PaySafer's.")


def _seconds_ahead(context: CheckContext) -> float | None:
    """Return how far our clock is ahead of the API's ``Date``, asked without a key."""
    address = context.config.api_base + context.config.profile.paths.payments
    reply = HTTPClient(address, timeout=BOUND / 2).send("GET")
    try:
        return context.wall() - parsedate_to_datetime(reply.headers["date"]).timestamp()
    except (KeyError, ValueError):
        return None


def check_endpoints(context: CheckContext) -> Iterator[Finding]:
    """Yield what PaySafer has registered for this app."""
    if not context.asks_api:
        yield note("PaySafer was not asked for its webhook endpoints.")
        return
    try:
        listed = list(context.client.webhook_endpoints.list(limit=100))
    except PaySaferError:
        return  # the check of the API says why
    ours = [endpoint for endpoint in listed if _is_ours(endpoint, context)]
    if not ours:
        yield _unregistered(context)
    for endpoint in ours:
        yield from _look_at_endpoint(endpoint, context)
    yield from _twice(ours)
    yield from _newer_than_secrets(ours, context)


def _is_ours(endpoint: WebhookEndpoint, context: CheckContext) -> bool:
    if context.url is not None:
        return bool(endpoint.get("url") == context.url)
    return urlsplit(endpoint.get("url") or "").path == context.path


def _unregistered(context: CheckContext) -> Finding:
    address = context.url or f"an address that ends in {context.path}"
    url = f" --url {context.url}" if context.url else " --url https://your.shop"
    return error(
        f"PaySafer has no webhook endpoint for {address}.",
        reason="No event comes: paid orders are not fulfilled.",
        hint=f"Run `flask paysafer endpoints create{url}`, and set the secret it shows.",
    )


def _look_at_endpoint(endpoint: WebhookEndpoint, context: CheckContext) -> Iterator[Finding]:
    status = endpoint.get("status", "enabled")
    if status != "enabled":
        yield error(
            f"The endpoint {endpoint.id} is {status!r} at PaySafer.",
            reason="No event comes.",
            hint="Enable it in the PaySafer Dashboard.",
        )
    if endpoint.url.startswith("http://") and not is_local(endpoint.url):
        yield warning(
            f"The endpoint {endpoint.id} has an http:// address.",
            reason="Events hold customers' data, and travel readable.",
            hint="Register the https:// address, and delete this one.",
        )
    missing = _unwanted(endpoint, context)
    if missing:
        yield error(
            f"The endpoint {endpoint.id} does not get {', '.join(missing)}.",
            reason="This app has handlers for them, which never run.",
            hint="Enable these types in the Dashboard, or register the endpoint anew.",
        )
    elif status == "enabled":
        yield ok(f"{endpoint.url} is registered as {endpoint.id} and gets what is handled.")


def _unwanted(endpoint: WebhookEndpoint, context: CheckContext) -> list[str]:
    enabled = endpoint.get("enabled_events") or ["*"]
    if "*" in enabled:
        return []
    return [kind for kind in context.handled_types() if kind not in enabled]


def _twice(ours: list[WebhookEndpoint]) -> Iterator[Finding]:
    urls = [endpoint.url for endpoint in ours]
    for url in sorted({url for url in urls if urls.count(url) > 1}):
        yield warning(
            f"{url} is registered {urls.count(url)} times.",
            reason="Every event comes as often. It is handled once, and takes several secrets.",
            hint="When a rotation is over, delete the old one: `flask paysafer endpoints delete`.",
        )


def _newer_than_secrets(ours: list[WebhookEndpoint], context: CheckContext) -> Iterator[Finding]:
    """Yield a warning if every secret that is set was last used before any endpoint was there."""
    last = _last_verified(context)
    made = [int(endpoint.get("created") or 0) for endpoint in ours]
    # A local PaySafer whose clock was moved ahead tells nothing about the order.
    if last is None or not made or not last.timestamp() < min(made) <= context.wall():
        return
    setting = context.setting("WEBHOOK_SECRET")
    again = (
        " The local PaySafer makes new ones at each start without --db." if context.is_local else ""
    )
    yield warning(
        f"{ours[0].url} was registered {datetime.fromtimestamp(min(made), UTC):%Y-%m-%d %X} "
        f"UTC, after the last delivery that {setting} verified ({last:%Y-%m-%d %X} UTC).",
        reason="Each endpoint has a secret of its own: unless this one's is set, every event is "
        f"refused with 400.{again}",
        hint=f"Set {setting} to the secret that was shown when {ours[0].id} was registered, and "
        "start the app again.",
    )


def _last_verified(context: CheckContext) -> datetime | None:
    """Return when a delivery was last verified; None if some secret may be the new one's."""
    try:
        now = datetime.fromtimestamp(context.wall(), UTC)
        uses = secret_uses(context.config, context.state.inbox, now=now)
    except InboxUnavailableError:
        return None  # the check of the inbox says why
    times = [use.last_used_at for use in uses]
    used = [moment for moment in times if moment is not None]
    return max(used) if used and len(used) == len(times) else None


# Whether what PaySafer has sent was verified.


def check_secrets(context: CheckContext) -> Iterator[Finding]:
    """Yield one finding for each secret; an error if PaySafer sends and none verifies it."""
    if not context.config.webhook_secrets:
        return
    now = datetime.fromtimestamp(context.wall(), UTC)
    try:
        uses = secret_uses(context.config, context.state.inbox, now=now)
    except InboxUnavailableError:
        return  # the check of the inbox says why
    lost = list(_lost_deliveries(context)) if context.asks_api else []
    yield from lost
    some_in_use = any(use.verdict == "in use" for use in uses)
    for use in uses:
        yield _judge_secret(use, context, some_in_use=some_in_use)


def _lost_deliveries(context: CheckContext) -> Iterator[Finding]:
    try:
        listed = list(context.client.webhook_endpoints.list(limit=100))
        ours = [one for one in listed if _is_ours(one, context)]
        if not ours:
            return
        refusals = _refusals(ours, context) if context.is_local else Counter[str]()
        missing = 0 if refusals else _payments_without_events(ours, context)
    except (PaySaferError, InboxUnavailableError):
        return  # the checks of the API and of the inbox say why
    setting = context.setting("WEBHOOK_SECRET")
    copied = f"Set {setting} to the secret that was shown when {ours[0].id} was registered, and "
    if refusals["400"]:
        yield error(
            f"The last {counted(refusals['400'], 'delivery', 'deliveries')} to {ours[0].url} "
            f"{'was' if refusals['400'] == 1 else 'were'} refused with 400: no secret in "
            f"{setting} verifies them.",
            reason="Paid orders are not fulfilled.",
            hint=f"{copied}start the app again. If it is that one, see the shop's log for the "
            "reason: the clock, or something that changes the body.",
        )
    elif refusals["429"]:
        yield error(
            f"The last delivery to {ours[0].url} was refused with 429 by a rate limiter.",
            reason="PaySafer retries it much later, and orders wait meanwhile.",
            hint="Exempt the webhook's address in the limiter: of the app, the proxy or the "
            "firewall.",
        )
    elif refusals:
        status = next(iter(refusals))
        yield warning(
            f"The last delivery to {ours[0].url} failed: {_answer(status)}.",
            reason="PaySafer retries it with growing pauses.",
            hint="See the shop's log; `flask paysafer events list --state failed` shows handlers "
            "that raised.",
        )
    elif missing:
        yield error(
            f"PaySafer has {counted(missing, 'payment')} since {ours[0].id} was registered, and "
            "no event of any of them was verified here.",
            reason="Deliveries are refused or do not arrive: paid orders are not fulfilled.",
            hint=f"If the address is reached (see above), the secret is another one's: {copied}"
            "start the app again. Then run `flask paysafer reconcile --apply`.",
        )


def _refusals(ours: list[WebhookEndpoint], context: CheckContext) -> Counter[str]:
    """Count how the local PaySafer's latest deliveries failed, up to one that did not."""
    parts = urlsplit(context.config.api_base)
    listed, _ = ask_sandbox("GET", f"{parts.scheme}://{parts.netloc}/_sandbox/deliveries")
    ids = {endpoint.id for endpoint in ours}
    attempts = [
        attempt
        for delivery in listed
        if delivery.get("endpoint") in ids
        for attempt in delivery["attempts"]
    ]
    refusals = Counter[str]()
    for attempt in sorted(attempts, key=lambda one: one["at"], reverse=True):
        status = attempt["status_code"] or 0
        if 200 <= status < 300:
            break
        refusals[str(status or attempt["error"])] += 1
    return refusals


def _answer(status: str) -> str:
    return f"it was answered {status}" if status.isdecimal() else status


def _payments_without_events(ours: list[WebhookEndpoint], context: CheckContext) -> int:
    """Count the latest payments, if no event of any of them is in the inbox."""
    registered = min(int(endpoint.get("created") or 0) for endpoint in ours)
    if not any(_wants_payments(endpoint) for endpoint in ours):
        return 0
    # An event that is on its way is not lost.
    until = context.wall() - _ON_ITS_WAY
    page = context.client.payments.list(limit=20, created={"gte": registered + 1})
    payments = [payment for payment in page.data if payment.created < until]
    browser = context.state.inbox.browser
    if any(browser.find(EventFilter(object_id=payment.id), limit=1) for payment in payments):
        return 0
    return len(payments)


def _wants_payments(endpoint: WebhookEndpoint) -> bool:
    wanted = endpoint.get("enabled_events") or ["*"]
    return any(kind == "*" or kind == "payment.created" for kind in wanted)


def _judge_secret(use: SecretUse, context: CheckContext, *, some_in_use: bool) -> Finding:
    setting = context.setting("WEBHOOK_SECRET")
    name = f"Entry {use.position} of {setting} (fingerprint {use.fingerprint})"
    if use.verdict == "in use":
        return ok(f"{name} last verified a delivery {use.last_used_at:%Y-%m-%d %H:%M} UTC.")
    if use.verdict == "droppable":
        return note(
            f"{name} verified nothing since {use.last_used_at:%Y-%m-%d %H:%M} UTC, while another "
            "does.",
            hint=f"Take it out of {setting}: the rotation is over.",
        )
    if some_in_use:
        return warning(
            f"{name} has verified nothing yet.",
            reason="It is new, or it is the secret of another endpoint.",
            hint="Once its endpoint has delivered something, look again; if it never does, take it "
            "out.",
        )
    return note(
        f"{name} has verified nothing yet.",
        hint="Pay once in test mode, or send an event: `flask paysafer trigger payment.completed`.",
    )
