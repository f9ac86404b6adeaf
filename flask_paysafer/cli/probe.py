"""``flask paysafer probe``: ask a real test account whether the API is as assumed.

One assumption after the other is tried with documented test cards and the smallest sums.
Whatever the probe makes is marked with ``metadata.paysafer_probe``, and cancelled, refunded
or deleted at the end, also after Ctrl-C. It keeps to a fifth of the account's rate limit.
Nothing that it prints or writes holds a key, a secret or a card number.
"""

from __future__ import annotations

import json
import secrets
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote, urlencode

import click

from ..config import Config
from ..errors import ConfigurationError, PaySaferError
from ..keys import mode_of
from ..profile import ApiProfile, Key, at
from ..state import AppState
from . import with_state
from .http import HTTPClient, Reply
from .output import print_table, progress, say

Verdict = Literal["as assumed", "differs", "can't tell"]

MARK = {"paysafer_probe": "true"}
AMOUNT = 100
"""In minor units: the smallest sum that is asked for."""
SHARE = 0.2
"""The part of the rate limit that the probe uses at most."""

_TIMEOUT = 20.0
_TRIES = 4
_CARD = {"number": "4242424242424242", "exp_month": 12, "exp_year": 2034, "cvc": "123"}
_RETURN_URL = "https://example.com/paysafer-probe"
_PATHS: dict[str, tuple[str, ...]] = {
    "tokens": ("/tokens", "/card-tokens", "/payment-methods"),
    "webhook_endpoints": ("/webhook-endpoints", "/webhook_endpoints", "/webhooks"),
    "confirm": ("/payments/{id}/confirm", "/payments/{id}/submit", "/payments/{id}/complete"),
}
_KEY_HEADERS = ("Idempotency-Key", "X-Idempotency-Key", "PaySafer-Idempotency-Key")
_CURSORS = {
    "after": ("starting_after", "after", "cursor", "page[after]"),
    "before": ("ending_before", "before", "page[before]"),
}
_SINCE = ("created[gte]", "created_after", "created.gte")
_LIMITS = ("limit", "page_size", "per_page", "page[size]")
_NOT_THERE = frozenset({404, 405})


@dataclass(frozen=True)
class Finding:
    """What was found about one assumption."""

    key: str
    verdict: Verdict
    assumed: Any = None
    found: Any = None
    reason: str = ""


class ProbeError(PaySaferError):
    """The account can't be probed at all."""


@dataclass
class Answer:
    """An answer of the account's."""

    status: int
    headers: Mapping[str, str]
    data: Any
    """The JSON in it; None where it is none."""

    @property
    def is_good(self) -> bool:
        """Whether it is any 2xx."""
        return 200 <= self.status < 300


class Pace:
    """Keeps to a share of the rate limit: waits before a request that would be one too many."""

    def __init__(
        self,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sleep = sleep
        self._clock = clock
        self._sent: deque[float] = deque()
        self._allowed = 20

    def wait(self) -> None:
        """Wait until one more request is within the share of a minute."""
        now = self._clock()
        while self._sent and now - self._sent[0] >= 60:
            self._sent.popleft()
        if len(self._sent) >= self._allowed:
            self._sleep(60 - (now - self._sent[0]))
            self._sent.popleft()
        self._sent.append(self._clock())

    def pause(self, seconds: float) -> None:
        """Wait because the account asks for it."""
        self._sleep(seconds)

    def note(self, limit: str | None) -> None:
        """Keep the limit of a minute that an answer names."""
        if limit is not None and limit.isascii() and limit.isdigit() and len(limit) < 9:
            self._allowed = max(1, int(int(limit) * SHARE))


class Account:
    """Sends to the account under test, and cleans up what it made there."""

    def __init__(self, config: Config, profile: ApiProfile, pace: Pace) -> None:
        self.profile = profile
        self.has_publishable_key = config.publishable_key is not None
        self._keys = {"secret": config.secret_key, "publishable": config.publishable_key}
        self._http = HTTPClient(config.api_base, timeout=_TIMEOUT)
        self._pace = pace
        self._undo: list[Callable[[], Any]] = []

    def call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        key: Literal["secret", "publishable"] = "secret",
    ) -> Answer:
        """Return the answer; 429 and 5xx are asked again, for they say nothing of the API.

        :raises ProbeError: if none comes, or the account fails again and again.
        """
        sent = [
            ("Authorization", f"Bearer {self._keys[key]}"),
            ("Accept", "application/json"),
            *(headers or {}).items(),
        ]
        content = b"" if body is None else json.dumps(body).encode()
        if body is not None:
            sent.append(("Content-Type", "application/json"))
        suffix = path + (f"?{urlencode(query)}" if query else "")
        reply = Reply(0)
        for attempt in range(_TRIES):
            self._pace.wait()
            reply = self._http.send(method, sent, content, suffix=suffix, most_read=None)
            self._pace.note(reply.headers.get("x-ratelimit-limit"))
            if reply.status not in {0, 429} and reply.status < 500:
                return Answer(reply.status, reply.headers, _json_of(reply.text))
            self._pace.pause(_seconds(reply.headers.get("retry-after")) or 2.0**attempt)
        what = f"answers {reply.status}" if reply.status else f"gives no answer ({reply.error})"
        raise ProbeError(f"PaySafer {what} to {method} {path}, {_TRIES} times. Try again later.")

    def pay(
        self,
        card: str = "pm_card_visa",
        *,
        key: str | None = None,
        header: str | None = None,
        **fields: Any,
    ) -> Answer:
        """Create a payment, and remember to undo it."""
        body = {
            "amount": AMOUNT,
            "currency": "aed",
            "payment_method": card,
            "metadata": MARK,
            **fields,
        }
        name = header or self.profile.headers.idempotency_key
        headers = {name: key or f"probe_{secrets.token_hex(8)}"}
        answer = self.call("POST", self.profile.payment_path(), body, headers=headers)
        payment = payment_in(answer)
        if payment is not None:
            self._undo.append(partial(self._undo_payment, str(payment["id"])))
        return answer

    def undo(self, method: str, path: str) -> None:
        """Remember a call that undoes what was made."""
        self._undo.append(partial(self.call, method, path))

    def clean_up(self) -> list[str]:
        """Undo everything, the last first; return what could not be."""
        failed = []
        while self._undo:
            step = self._undo.pop()
            try:
                step()
            except ProbeError as error:
                failed.append(error.message)
        return failed

    def _undo_payment(self, payment_id: str) -> None:
        quoted = quote(payment_id, safe="")
        key = {self.profile.headers.idempotency_key: f"probe_{secrets.token_hex(8)}"}
        cancelled = self.call("POST", self.profile.payment_path(quoted, "cancel"), {}, headers=key)
        if not cancelled.is_good:
            key = {self.profile.headers.idempotency_key: f"probe_{secrets.token_hex(8)}"}
            self.call("POST", self.profile.payment_path(quoted, "refund"), {}, headers=key)


@dataclass
class Probe:
    """Tries one assumption after the other.

    :param account: Knows by the profile how to speak; each finding changes it at once.
    """

    account: Account
    findings: list[Finding] = field(default_factory=list)
    assumed: ApiProfile = field(init=False)

    def __post_init__(self) -> None:
        self.assumed = self.account.profile
        self._payment: dict[str, Any] = {}
        self._made = 0

    def run(self, done: Callable[[int], None]) -> None:
        """Run all steps; call ``done`` after each."""
        for step in STEPS:
            step(self)
            done(1)
        self._fill_up()

    def note(self, key: str, found: Any) -> None:
        """Keep what was found, and speak so from now on."""
        section, _, name = key.partition(".")
        table = getattr(self.assumed, section)
        is_word = section in {"statuses", "events"}
        assumed = table.get(name) if is_word else getattr(table, name)
        plain = list(assumed) if isinstance(assumed, tuple) else assumed
        if found == plain:
            self.findings.append(Finding(key, "as assumed", plain, plain))
            return
        self.findings.append(Finding(key, "differs", plain, found))
        mapping = self.account.profile.to_mapping()
        mapping.setdefault(section, {})[name] = found
        self.account.profile = ApiProfile.from_mapping(mapping)

    def cannot_tell(self, key: str, reason: str) -> None:
        """Note that an assumption could not be tried."""
        section, _, name = key.partition(".")
        table = getattr(self.assumed, section)
        assumed = table.get(name) if section in {"statuses", "events"} else getattr(table, name)
        plain = list(assumed) if isinstance(assumed, tuple) else assumed
        self.findings.append(Finding(key, "can't tell", plain, None, reason))

    def _fill_up(self) -> None:
        known = {finding.key for finding in self.findings}
        for key in ApiProfile.keys():  # noqa: SIM118 (no dict)
            if str(key) not in known:
                self.cannot_tell(str(key), _reason_for(key))

    def reach(self) -> None:
        """See whether the account answers at all, and with what."""
        answer = self.account.call("GET", self.account.profile.payment_path())
        if answer.status == 401:
            raise ProbeError("PaySafer does not know the secret key (401). Check it.")
        if answer.data is None:
            raise ProbeError(
                f"{answer.status} came instead of JSON for the list of payments. Check that "
                "PAYSAFER_API_BASE is the API's address, and paths.payments of the profile."
            )
        if not answer.is_good:
            raise ProbeError(
                f"The payments can't be listed ({answer.status}), so nothing can be tried. Set "
                "paths.payments of the profile to where they are."
            )
        self.note("paths.payments", self.account.profile.paths.payments)
        customers = self.account.call("GET", self.account.profile.paths.customers)
        if customers.is_good:
            self.note("paths.customers", self.account.profile.paths.customers)
        else:
            self.cannot_tell("paths.customers", f"it answers {customers.status}")

    def keys(self) -> None:
        """Find the header of the idempotency key, and what a key sent again gets."""
        profile = self.account.profile
        tried = dict.fromkeys((profile.headers.idempotency_key, *_KEY_HEADERS))
        for header in tried:
            key = f"probe_{secrets.token_hex(8)}"
            first = self.account.pay(key=key, header=header)
            self._learn_from(first)
            second = self.account.pay(key=key, header=header)
            is_conflict = second.status == 409
            if is_conflict or _id_of(first) == _id_of(second) is not None:
                self.note("headers.idempotency_key", header)
                self.note("idempotency.reuse", "conflict" if is_conflict else "replay")
                if is_conflict:
                    self.cannot_tell("headers.replayed", "no answer is given twice")
                else:
                    self._find_replayed(first, second)
                return
        for missing in ("headers.idempotency_key", "headers.replayed", "idempotency.reuse"):
            self.cannot_tell(missing, "no header that was tried made two payments one")

    def _find_replayed(self, first: Answer, second: Answer) -> None:
        name = self.account.profile.headers.replayed
        if name and name.lower() in second.headers:
            self.note("headers.replayed", name)
            return
        new = [header for header in second.headers if header not in first.headers]
        self.note("headers.replayed", _titled(new[0]) if new else "")

    def _learn_from(self, answer: Answer) -> None:
        """Read what every answer shows, from the first good payment."""
        payment = payment_in(answer)
        if self._payment or not answer.is_good or payment is None:
            if payment is None and not self._payment:
                raise ProbeError(
                    f"A payment of {AMOUNT} with pm_card_visa is answered {answer.status}; "
                    "without one nothing can be found."
                )
            return
        self._payment = payment
        self.status(payment, "succeeded")
        self._find_request_id(answer.headers)
        self._find_reset(answer.headers.get("x-ratelimit-reset"))
        self._find_card(payment)

    def _find_request_id(self, headers: Mapping[str, str]) -> None:
        assumed = list(self.account.profile.headers.request_id)
        if any(name.lower() in headers for name in assumed):
            self.note("headers.request_id", assumed)
            return
        words = ("request-id", "requestid", "trace", "correlation")
        likely = [name for name in headers if any(word in name for word in words)]
        if likely:
            self.note("headers.request_id", [_titled(likely[0])])
        else:
            self.cannot_tell("headers.request_id", "no header looks like it")

    def _find_reset(self, value: str | None) -> None:
        if value is None or not value.isdigit():
            self.cannot_tell("rate_limits.reset", "no X-RateLimit-Reset came")
            return
        assumed = self.account.profile.rate_limits.reset
        found = "epoch" if int(value) >= 1_000_000_000 else "seconds"
        self.note("rate_limits.reset", assumed if assumed == "auto" else found)

    def _find_card(self, payment: Mapping[str, Any]) -> None:
        place = self.account.profile.fields.card_details
        if not isinstance(at(payment, place), Mapping):
            found = _place_of(payment, lambda value: _is_card(value))
            if found is None:
                self.cannot_tell("fields.card_details", "the payment shows no card")
                return
            place = found
        self.note("fields.card_details", place)

    def status(self, payment: Mapping[str, Any], expected: str) -> None:
        """Note which word the account has for a status."""
        raw = payment.get("status")
        if not isinstance(raw, str):
            return
        if any(finding.key == f"statuses.{raw}" for finding in self.findings):
            return
        # A word that is known already says what it says, though another was expected.
        self.note(f"statuses.{raw}", self.account.profile.statuses.get(raw, expected))

    def declines(self) -> None:
        """See what becomes of a payment that is declined."""
        answer = self.account.pay("pm_card_chargeDeclined")
        payment = payment_in(answer)
        if payment is None:
            self.cannot_tell("fields.failure_reason", f"the decline ({answer.status}) has none")
            return
        self.status(payment, "failed")
        place = self.account.profile.fields.failure_reason
        if not isinstance(at(payment, place), str):
            reasons = _decline_codes(answer)
            found = _place_of(payment, lambda value: isinstance(value, str) and value in reasons)
            if found is None:
                self.cannot_tell("fields.failure_reason", "the declined payment shows no reason")
                return
            place = found
        self.note("fields.failure_reason", place)

    def challenges(self) -> None:
        """See where the bank's page is."""
        answer = self.account.pay("pm_card_authenticationRequired", return_url=_RETURN_URL)
        payment = payment_in(answer)
        if payment is None:
            self.cannot_tell("fields.challenge_url", f"the test card is answered {answer.status}")
            return
        self.status(payment, "requires_action")
        place = self.account.profile.fields.challenge_url
        if not _is_address(at(payment, place)):
            found = _place_of(payment, _is_address)
            if found is None:
                self.cannot_tell("fields.challenge_url", "the payment holds no address")
                return
            place = found
        self.note("fields.challenge_url", place)

    def captures(self) -> None:
        """See the statuses of a manual capture, and of a cancel."""
        answer = self.account.pay(capture_method="manual")
        payment = payment_in(answer)
        if payment is None:
            return
        self.status(payment, "requires_capture")
        cancelled = self._act(payment, "cancel", {})
        if (found := payment_in(cancelled)) is not None:
            self.status(found, "canceled")

    def refunds(self) -> None:
        """See where what was given back is counted."""
        answer = self._act(self._payment, "refund", {"amount": 37})
        payment = payment_in(answer)
        if payment is None:
            self.cannot_tell("fields.amount_refunded", f"a refund is answered {answer.status}")
            return
        place = self.account.profile.fields.amount_refunded
        if at(payment, place) != 37:
            found = _place_of(payment, lambda value: value == 37 and value is not True)
            if found is None:
                self.cannot_tell("fields.amount_refunded", "the payment does not show it")
                return
            place = found
        self.note("fields.amount_refunded", place)

    def confirms(self) -> None:
        """Find where a payment is confirmed."""
        created = self.account.pay(confirm=False)
        payment = payment_in(created)
        if payment is None:
            self.cannot_tell("paths.confirm", f"confirm=false is answered {created.status}")
            return
        self.status(payment, "requires_confirmation")
        payments = self.account.profile.paths.payments
        offered = (path.replace("/payments", payments, 1) for path in _PATHS["confirm"])
        for path in dict.fromkeys((self.account.profile.paths.confirm, *offered)):
            target = path.replace("{id}", quote(str(payment["id"]), safe=""))
            key = {self.account.profile.headers.idempotency_key: f"probe_{secrets.token_hex(8)}"}
            if self.account.call("POST", target, {}, headers=key).status not in _NOT_THERE:
                self.note("paths.confirm", path)
                return
        self.cannot_tell("paths.confirm", "none of the paths that were tried is there")

    def endpoints(self) -> None:
        """Find where webhook endpoints are."""
        for path in self._offered("webhook_endpoints"):
            if self.account.call("GET", path).status not in _NOT_THERE:
                self.note("paths.webhook_endpoints", path)
                return
        self.cannot_tell("paths.webhook_endpoints", "none of the paths that were tried is there")

    def saved_cards(self) -> None:
        """Find where tokens are made, and whether a card can be saved."""
        token = self._make_token()
        if token is None:
            self.cannot_tell("fields.save_payment_method", "it takes a token, and there is none")
            return
        customers = self.account.profile.paths.customers
        customer = _id_of(self.account.call("POST", customers, {"metadata": MARK}))
        if customer is None:
            self.cannot_tell("fields.save_payment_method", "no customer could be made")
            return
        self.account.undo("DELETE", f"{customers}/{quote(customer, safe='')}")
        name = self.account.profile.fields.save_payment_method or "save_payment_method"
        extra: dict[str, Any] = {name: True}
        paid = self.account.pay(token, customer=customer, **extra)
        payment = payment_in(paid)
        if payment is None:
            self.cannot_tell("fields.save_payment_method", f"it is answered {paid.status}")
            return
        is_saved = payment.get("payment_method") not in (None, token)
        self.note("fields.save_payment_method", name if is_saved else "")

    def _make_token(self) -> str | None:
        if not self.account.has_publishable_key:
            self.cannot_tell("paths.tokens", "PAYSAFER_PUBLISHABLE_KEY is not set")
            return None
        for path in self._offered("tokens"):
            answer = self.account.call("POST", path, {"card": _CARD}, key="publishable")
            if answer.status not in _NOT_THERE:
                self.note("paths.tokens", path)
                return _id_of(answer)
        self.cannot_tell("paths.tokens", "none of the paths that were tried is there")
        return None

    def _offered(self, name: str) -> Iterator[str]:
        yield from dict.fromkeys((getattr(self.account.profile.paths, name), *_PATHS[name]))

    def _act(self, payment: Mapping[str, Any], action: str, body: Mapping[str, Any]) -> Answer:
        path = self.account.profile.payment_path(quote(str(payment["id"]), safe=""), action)
        key = {self.account.profile.headers.idempotency_key: f"probe_{secrets.token_hex(8)}"}
        return self.account.call("POST", path, body, headers=key)

    def lists(self) -> None:
        """Find the envelope, the end, and the parameters of a list."""
        whole = self._page({})
        self._find_items(whole)
        self._find_limit()
        first = self._page({self.account.profile.lists.limit: 2})
        self._find_end(first)
        items = self.account.profile.lists.items_of(first) or []
        if len(items) < 2:
            for name in ("after", "before", "created_after"):
                self.cannot_tell(f"lists.{name}", "the list has too few payments")
            return
        lists = self.account.profile.lists
        last = lists.cursor_of(first) or items[-1]["id"]
        seen = [item["id"] for item in items]
        self._find_cursor("after", last, lambda found: bool(found) and not set(found) & set(seen))
        self._find_cursor("before", seen[1], lambda found: found == seen[:1])
        self._find_since()

    def _page(self, query: Mapping[str, Any]) -> Any:
        answer = self.account.call("GET", self.account.profile.payment_path(), query=query)
        return answer.data if answer.is_good else None

    def _ids(self, query: Mapping[str, Any]) -> list[str] | None:
        items = self.account.profile.lists.items_of(self._page(query))
        return None if items is None else [item.get("id") for item in items]

    def _find_items(self, page: Any) -> None:
        place: str | None = self.account.profile.lists.items
        if self.account.profile.lists.items_of(page) is None:
            place = "" if isinstance(page, list) else _place_of(page, _is_objects)
        if place is None:
            raise ProbeError("The list of payments holds no list that could be read.")
        self.note("lists.items", place)

    def _find_limit(self) -> None:
        names = dict.fromkeys((self.account.profile.lists.limit, *_LIMITS))
        for name in names:
            found = self._ids({name: 2})
            if found is not None and len(found) == 2:
                self.note("lists.limit", name)
                return
        self.cannot_tell("lists.limit", "no parameter that was tried makes a page shorter")

    def _find_end(self, page: Any) -> None:
        """``page`` has others after it, so what says so is true or there."""
        lists = self.account.profile.lists
        if lists.has_more and at(page, lists.has_more) is True:
            self.note("lists.has_more", lists.has_more)
            self.note("lists.next", lists.next if lists.cursor_of(page) is not None else "")
            return
        boolean = _place_of(page, lambda value: value is True, skip=lists.items)
        cursor = lists.next if lists.cursor_of(page) else None
        if cursor is None:
            cursor = _place_of(
                page, _is_cursor, skip=lists.items, named=("next", "cursor", "after")
            )
        self.note("lists.has_more", boolean or "")
        self.note("lists.next", "" if cursor is None else cursor)

    def _find_cursor(self, key: str, cursor: str, is_right: Callable[[list[str]], bool]) -> None:
        lists = self.account.profile.lists
        for name in dict.fromkeys((getattr(lists, key), *_CURSORS[key])):
            found = self._ids({lists.limit: 2, name: cursor})
            if found is not None and is_right(found):
                self.note(f"lists.{key}", name)
                return
        self.cannot_tell(f"lists.{key}", "no parameter that was tried moves the page")

    def _find_since(self) -> None:
        lists = self.account.profile.lists
        for name in dict.fromkeys((lists.created_after, *_SINCE)):
            if self._ids({lists.limit: 2, name: 4_000_000_000}) == []:
                self.note("lists.created_after", name)
                return
        self.cannot_tell("lists.created_after", "no parameter that was tried leaves any out")


STEPS: tuple[Callable[[Probe], None], ...] = (
    Probe.reach,
    Probe.keys,
    Probe.declines,
    Probe.challenges,
    Probe.captures,
    Probe.refunds,
    Probe.confirms,
    Probe.saved_cards,
    Probe.endpoints,
    Probe.lists,
)


@click.command()
@click.option("--yes", is_flag=True, help="Don't ask before payments are made.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--write", "target", metavar="FILE", help="Write the profile that fits there.")
@click.option("--only", metavar="KEY", multiple=True, help="Show a key or section alone.")
@with_state
def probe(
    state: AppState, *, yes: bool, as_json: bool, target: str | None, only: tuple[str, ...]
) -> None:
    """Ask your test account whether PaySafer's API is as assumed.

    Makes a few payments of the smallest sum with test cards, and undoes them. Exit code 0: all
    as assumed; 3: something differs; 1: it could not be done.
    """
    _check_keys(state.config)
    _check_only(only)
    if not yes:
        click.confirm(
            f"About 15 test payments of {AMOUNT} fils are made at {state.config.api_base}, and "
            "undone. Go on?",
            abort=True,
            err=True,
        )
    found = run_probe(state.config, Pace())
    shown = [one for one in found.findings if _is_wanted(one.key, only)]
    if target is not None:
        Path(target).write_text(found.account.profile.to_toml(), "utf-8")
    _show(shown, found.account.profile, as_json=as_json, target=target)
    if any(one.verdict == "differs" for one in shown):
        raise click.exceptions.Exit(3)


def run_probe(config: Config, pace: Pace) -> Probe:
    """Probe the account of these settings, and clean up, whatever happens.

    :raises ProbeError: if it could not be done.
    """
    made = Probe(Account(config, config.profile, pace))
    with _cleaning_up(made.account), progress("Probing", len(STEPS)) as done:
        made.run(done)
    return made


@contextmanager
def _cleaning_up(account: Account) -> Iterator[None]:
    try:
        yield
    finally:
        for failure in account.clean_up():
            say(f"Something could not be undone: {failure}", err=True)


def _check_keys(config: Config) -> None:
    if config.secret_key is None:
        raise ConfigurationError(
            f"{config.setting('SECRET_KEY')} is not set: a probe needs a test key (sk_test_…)."
        )
    if mode_of(config.secret_key) == "live":
        raise ConfigurationError(
            f"{config.setting('SECRET_KEY')} is a live key: the probe makes payments, and does so "
            "with a test key (sk_test_…) only."
        )


def _check_only(only: Sequence[str]) -> None:
    known = {str(key) for key in ApiProfile.keys()}  # noqa: SIM118 (no dict)
    sections = {key.partition(".")[0] for key in known}
    for name in only:
        if name not in known and name.partition(".")[0] not in sections:
            raise ConfigurationError(
                f"--only {name}: there is no such section. There are {', '.join(sorted(sections))}."
            )


def _is_wanted(key: str, only: Sequence[str]) -> bool:
    return not only or any(key == name or key.startswith(f"{name}.") for name in only)


def _show(
    findings: Sequence[Finding], profile: ApiProfile, *, as_json: bool, target: str | None
) -> None:
    if as_json:
        rows = [asdict(one) for one in findings]
        click.echo(json.dumps({"findings": rows, "profile": profile.to_mapping()}, indent=1))
        return
    print_table(
        ("Key", "Verdict", "Found"),
        [(one.key, one.verdict, one.reason or _plain(one.found)) for one in findings],
    )
    differing = sum(one.verdict == "differs" for one in findings)
    if not differing:
        say("Nothing that could be tried differs.")
    elif target is None:
        say(f"{differing} differ. Run it again with --write profile.toml to have the profile.")
    else:
        say(f"{differing} differ. Set PAYSAFER_API_PROFILE to {target}.")


def _plain(value: Any) -> str:
    return value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)


def _reason_for(key: Key) -> str:
    if key.section == "events" or (key.section == "webhooks") or str(key) == "headers.signature":
        return "it shows in a delivery only"
    if key.section == "statuses":
        return "no payment got there"
    return "no answer shows it"


def payment_in(answer: Answer) -> dict[str, Any] | None:
    """Return the payment in an answer, also in that of a decline."""
    found = answer.data
    if isinstance(at(found, "error.payment"), dict):
        found = at(found, "error.payment")
    is_payment = isinstance(found, dict) and "id" in found and "status" in found
    return found if is_payment else None


def _id_of(answer: Answer) -> str | None:
    found = at(answer.data, "id")
    return found if answer.is_good and isinstance(found, str) else None


def _decline_codes(answer: Answer) -> set[str]:
    error = at(answer.data, "error")
    names = ("decline_code", "code", "message")
    return {str(at(error, name)) for name in names if at(error, name)}


def _place_of(
    value: Any,
    is_it: Callable[[Any], bool],
    *,
    skip: str = "",
    named: Sequence[str] = (),
    place: str = "",
) -> str | None:
    """Return the place of the first value that fits, the shallowest first."""
    if not isinstance(value, Mapping):
        return None
    entries = [
        (f"{place}.{name}" if place else name, name, inner)
        for name, inner in value.items()
        if isinstance(name, str) and name != "metadata"
    ]
    for path, name, inner in entries:
        is_named = not named or any(word in name.lower() for word in named)
        if path != skip and is_named and is_it(inner):
            return path
    for path, _, inner in entries:
        if path != skip:
            found = _place_of(inner, is_it, skip=skip, named=named, place=path)
            if found is not None:
                return found
    return None


def _is_objects(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, dict) for one in value)


def _is_card(value: Any) -> bool:
    return isinstance(value, Mapping) and value.get("last4") == "4242"


def _is_cursor(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _is_address(value: Any) -> bool:
    is_url = isinstance(value, str) and value.startswith(("https://", "http://"))
    return is_url and not value.startswith(_RETURN_URL)


def _json_of(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _seconds(value: str | None) -> float | None:
    is_number = value is not None and value.isascii() and value.isdigit() and len(value) < 6
    return float(value) if is_number and value is not None else None


def _titled(header: str) -> str:
    return "-".join(part.capitalize() for part in header.split("-"))
