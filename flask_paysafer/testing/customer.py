"""A customer of the app under test, who buys on its checkout page as a browser would.

The page's script is the one thing that is stood in for: the token is made by the app's own
API client, with the publishable key. All else is the shop's: its page, its form with the
hidden fields, its redirects, and the page of the bank.
"""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlsplit

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from ..sandbox.cards import BY_NAME
from ..sandbox.payments import CHALLENGE_PATH
from ..state import AppState

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MOST_STEPS = 10


def buy(
    client: FlaskClient,
    state: AppState,
    bank: FlaskClient,
    reference: object,
    *,
    card: str,
    passed: bool,
    save_card: bool,
) -> TestResponse:
    """Pay for an order on its checkout page; return the page on which the customer ends.

    :param bank: Opens the sandbox's own pages.
    """
    page = _open(client, _checkout_url(state, reference))
    form = _PaymentForm(page.text)
    if not form.is_there:
        raise AssertionError(
            f"The checkout page of order {reference} has no card form: it answered "
            f"{page.status_code} and says {form.words[:300]!r}."
        )
    fields = form.fields | _choice(state, form, card)
    if save_card:
        fields["save_card"] = _ticked(form, reference)
    page = client.post(form.action or page.request.path, data=fields)
    return _follow(client, bank, page, passed=passed)


def _checkout_url(state: AppState, reference: object) -> str:
    with state.app.test_request_context():
        address = state.app.jinja_env.globals[f"{state.config.name}_checkout_url"](reference)  # type: ignore[operator]  # it is our helper
    return str(address)


def _choice(state: AppState, form: _PaymentForm, card: str) -> dict[str, str]:
    """Return the fields that name the card: a saved one of the page, or a new token."""
    if card.startswith("pm_"):
        if card not in form.choices.get("method", ()):
            raise AssertionError(f"The checkout page does not offer the saved card {card}.")
        return {"method": card}
    known = BY_NAME.get(card)
    if known is None and not card.isdigit():
        raise ValueError(f"card={card!r} is not a test card. Use one of {', '.join(BY_NAME)}.")
    details: Any = {
        "number": known.number if known else card,
        "exp_month": 12,
        "exp_year": 2090,
        "cvc": "123",
    }
    token = state.client.tokens.create(card=details)["id"]
    return {"token": token} | ({"method": ""} if "method" in form.choices else {})


def _ticked(form: _PaymentForm, reference: object) -> str:
    values = form.choices.get("save_card")
    if not values:
        raise AssertionError(
            f"The checkout page of order {reference} does not offer to save the card: its "
            'CheckoutOrder needs a customer and save_card="ask".'
        )
    return values[0]


def _follow(
    client: FlaskClient, bank: FlaskClient, page: TestResponse, *, passed: bool
) -> TestResponse:
    """Go where the shop and the bank send the browser, until a page stays."""
    for _ in range(_MOST_STEPS):
        next_url = page.location if page.status_code in _REDIRECTS else None
        challenge = next_url if _is_bank(next_url) else _bank_link(page)
        if challenge:
            answer = {"result": "pass" if passed else "refuse"}
            page = bank.post(urlsplit(challenge).path, data=answer)
        elif next_url and _is_here(page, next_url):
            page = _open(client, next_url)
        else:
            return page
    raise AssertionError(f"The checkout redirects without end: the last address is {page.location}")


def _open(client: FlaskClient, url: str) -> TestResponse:
    parts = urlsplit(url)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    base = {"base_url": f"{parts.scheme or 'http'}://{parts.netloc}"} if parts.netloc else {}
    return client.get(target, **base)


def _is_here(page: TestResponse, url: str) -> bool:
    """Whether the app serves the address: a shop's success page may be elsewhere."""
    host = urlsplit(url).netloc
    return not host or host == page.request.host or page.request.path.startswith(CHALLENGE_PATH)


def _is_bank(url: str | None) -> bool:
    return url is not None and urlsplit(url).path.startswith(CHALLENGE_PATH)


def _bank_link(page: TestResponse) -> str | None:
    if page.mimetype != "text/html" or page.request.path.startswith(CHALLENGE_PATH):
        return None
    return next(filter(_is_bank, _PaymentForm(page.text).links), None)


class _PaymentForm(HTMLParser):
    """The checkout's form, as a page shows it."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.is_there = False
        self.action = ""
        self.fields: dict[str, str] = {}
        """The fields that a browser sends: hidden ones, and those chosen or ticked already."""
        self.choices: dict[str, list[str]] = {}
        """The values of each radio button and checkbox."""
        self.links: list[str] = []
        self._is_inside = False
        self._texts: list[str] = []
        self.feed(page)

    @property
    def words(self) -> str:
        """The page's text."""
        return " ".join(" ".join(self._texts).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """See :class:`html.parser.HTMLParser`."""
        given = {name: value or "" for name, value in attrs}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        elif tag == "form" and "data-paysafer-form" in given:
            self.is_there = self._is_inside = True
            self.action = given.get("action", "")
        elif tag == "input" and self._is_inside and given.get("name"):
            self._add_input(given)

    def _add_input(self, given: dict[str, str]) -> None:
        name, value = given["name"], given.get("value", "")
        if given.get("type") in {"radio", "checkbox"}:
            value = given.get("value", "on")
            self.choices.setdefault(name, []).append(value)
            if "checked" not in given:
                return
        self.fields[name] = value

    def handle_endtag(self, tag: str) -> None:
        """See :class:`html.parser.HTMLParser`."""
        if tag == "form":
            self._is_inside = False

    def handle_data(self, data: str) -> None:
        """See :class:`html.parser.HTMLParser`."""
        self._texts.append(data)
