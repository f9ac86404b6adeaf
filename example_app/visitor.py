"""A visitor without a browser: reads pages, fills in forms, keeps cookies."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Self
from urllib.parse import urljoin

import httpx

Attributes = dict[str, str]


class Form(HTMLParser):
    """The first form of a page whose attributes include ``marked`` ones."""

    def __init__(self, page: str, **marked: str | None) -> None:
        super().__init__()
        self.attributes: Attributes = {}
        self.fields: Attributes = {}
        self._marked = {name.replace("_", "-"): value for name, value in marked.items()}
        self._inside = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the form, and the named fields in it."""
        given = {name: value or "" for name, value in attrs}
        if tag == "form" and not self.attributes and self._is_marked(given):
            self.attributes, self._inside = given, True
        elif self._inside and "name" in given and tag in {"input", "button"}:
            self.fields[given["name"]] = given.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        """Leave the form at its end."""
        if tag == "form":
            self._inside = False

    def _is_marked(self, given: Attributes) -> bool:
        return all(
            name in given and (value is None or given[name] == value)
            for name, value in self._marked.items()
        )


class Visitor:
    """Somebody in the shop, seen from the server."""

    def __init__(self, shop_url: str) -> None:
        self.shop_url = shop_url
        self._http = httpx.Client(follow_redirects=True, timeout=30)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_raised: object) -> None:
        self._http.close()

    def open(self, path: str) -> httpx.Response:
        """Return the page at ``path``."""
        return self._http.get(urljoin(self.shop_url, path)).raise_for_status()

    def submit(self, page: httpx.Response, form: Form, **filled: str) -> httpx.Response:
        """Send ``form`` of ``page`` with what the visitor ``filled`` in; return the next page."""
        address = urljoin(str(page.url), form.attributes.get("action", ""))
        return self._http.post(address, data=form.fields | filled)

    def make_token(self, form: Form, card: str) -> str:
        """Make a token of ``card`` straight at PaySafer, as the checkout's script does."""
        answer = httpx.post(
            f"{form.attributes['data-api']}/tokens",
            headers={"Authorization": f"Bearer {form.attributes['data-key']}"},
            json={"card": {"number": card, "exp_month": 12, "exp_year": 2040, "cvc": "123"}},
        ).raise_for_status()
        return str(answer.json()["id"])
