from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from example_app.serving import OpenShop
from tests.browser import chromium


# Not for the session: while it lives, Playwright holds this thread's event loop.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser, shop: OpenShop) -> Iterator[Page]:
    """A customer's page; nothing on the way may break a content policy or a script."""
    context = browser.new_context(base_url=shop.url)
    page, complaints = context.new_page(), []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    yield page
    context.close()
    assert complaints == []
