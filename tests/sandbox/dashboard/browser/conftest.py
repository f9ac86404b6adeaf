"""A real browser on the dashboard of a served sandbox.

After every test: no content policy was violated, no script failed, and nothing was
asked for from elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from flask_paysafer.sandbox import Sandbox
from tests.browser import chromium

MILLISECONDS = 30_000
"""How long a busy machine may take; what is waited for ends the wait."""

OpenPage = Callable[..., Page]


# Not for the session: while it lives, Playwright holds this thread's event loop.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """One Chromium for all tests of this folder."""
    with chromium() as browser:
        yield browser


@pytest.fixture
def open_page(browser: Browser, sandbox: Sandbox) -> Iterator[OpenPage]:
    """Open the dashboard at a place such as ``#/event``; options are the browser context's."""
    problems: list[str] = []
    with ExitStack() as stack, sandbox.serve() as served:

        def open_page(place: str = "", **options: Any) -> Page:
            allowed = ["clipboard-read", "clipboard-write"]
            context = browser.new_context(**{"locale": "en-GB", "permissions": allowed, **options})
            stack.callback(context.close)
            page = context.new_page()
            page.set_default_timeout(MILLISECONDS)
            _watch(page, served.url or "", problems)
            page.goto(f"{served.url}/{place}")
            page.wait_for_selector("#rows .sheet", state="attached")
            return page

        yield open_page
    assert problems == []


def _watch(page: Page, url: str, problems: list[str]) -> None:
    page.on("pageerror", lambda error: problems.append(f"script: {error}"))
    page.on(
        "console",
        lambda message: (
            problems.append(message.text)
            if "Content Security Policy" in message.text or "Refused" in message.text
            else None
        ),
    )
    page.on(
        "request",
        lambda request: None if request.url.startswith(url) else problems.append(request.url),
    )


@pytest.fixture
def page(open_page: OpenPage) -> Page:
    return open_page(viewport={"width": 1280, "height": 900})
