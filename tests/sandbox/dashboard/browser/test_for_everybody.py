"""With a keyboard, a screen reader, a phone; in light and dark."""

from __future__ import annotations

import re
from typing import Any, Literal

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from flask_paysafer.sandbox import Sandbox, WebhookResponse
from tests.sandbox.conftest import pay
from tests.sandbox.shop import Shop

from .conftest import OpenPage

DIALOGS = ("trigger-dialog", "fault-dialog", "clock-dialog", "session-dialog")


@pytest.fixture
def places(sandbox: Sandbox, shop: Shop, client: httpx.Client) -> list[str]:
    """Every list, and one of each kind of detail, with something on them."""
    shop.default = WebhookResponse(500, body="<h1>Internal server error</h1>" + "long" * 200)
    shop.register(client)
    sandbox.seed("acmeshop1")
    sandbox.trigger("payout.failed", account="acmeshop1")
    pay(client, metadata={"a-long-name-" * 3: "a-long-text-" * 20})
    sandbox.advance(400)
    kinds = ("payment", "customer", "dispute", "payout", "webhook_endpoint")
    chosen = [(kind, sandbox.objects(kind)[-1]) for kind in kinds]
    chosen += [("event", sandbox.events()[-1]), ("delivery", sandbox.deliveries()[-1])]
    chosen.append(("request", sandbox.requests()[-1]))
    return [place for kind, one in chosen for place in (f"#/{kind}", f"#/{kind}/{one['id']}")]


def check(page: Page, **options: Any) -> None:
    results = Axe().run(page, options=options)
    assert results.violations_count == 0, results.generate_report()


def go(page: Page, place: str) -> None:
    page.evaluate("place => { location.hash = place }", place)
    _, kind, *chosen = place.split("/")
    expect(page.locator(f'[data-kind="{kind}"]')).to_have_attribute("aria-current", "page")
    if chosen:
        expect(page.locator("#detail")).to_have_attribute("data-shown", chosen[0])
    else:
        expect(page.locator("#detail")).to_be_hidden()
    page.wait_for_selector(f'#rows .sheet[data-key="{kind}"]', state="attached")


@pytest.mark.parametrize(
    ("scheme", "options"), [("light", {}), ("dark", {"runOnly": ["color-contrast"]})]
)
def test_axe_finds_nothing_anywhere(
    open_page: OpenPage,
    places: list[str],
    scheme: Literal["light", "dark"],
    options: dict[str, Any],
) -> None:
    """In the dark only colours differ."""
    page = open_page(
        viewport={"width": 1280, "height": 900}, color_scheme=scheme, reduced_motion="reduce"
    )
    for place in places[1::2]:  # the details, beside which the lists are shown
        go(page, place)
        check(page, **options)
    for dialog in DIALOGS:
        page.click(f'[data-dialog="{dialog}"]')
        check(page, **options)
        page.keyboard.press("Escape")


def test_an_empty_sandbox_tells_how_to_begin(open_page: OpenPage, sandbox: Sandbox) -> None:
    page = open_page(viewport={"width": 320, "height": 700})
    expect(page.locator("#rows")).to_contain_text(f"PAYSAFER_API_BASE={sandbox.url}/v1")
    check(page)
    page.get_by_role("button", name="Copy settings").click()
    expect(page.get_by_role("status")).to_contain_text("Copied.")
    assert "sk_test_acmeshop1" in page.evaluate("navigator.clipboard.readText()")


@pytest.mark.parametrize("width", [320, 768, 1280])
def test_nothing_is_wider_than_the_screen(
    open_page: OpenPage, places: list[str], width: int
) -> None:
    page = open_page(viewport={"width": width, "height": 800})
    for place in places:
        go(page, place)
        overflow = page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        assert overflow == 0, f"{place} is {overflow} px too wide at {width}"


def test_a_payment_is_opened_and_closed_by_keyboard(
    open_page: OpenPage, client: httpx.Client
) -> None:
    payment = pay(client).json()["id"]
    page = open_page(viewport={"width": 1280, "height": 900})
    page.locator("#rows tbody a").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#detail-title")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Escape")
    expect(page.locator(f'tr[data-key="{payment}"] a')).to_be_focused()


def test_the_focus_stays_while_the_list_changes(open_page: OpenPage, client: httpx.Client) -> None:
    payment = pay(client).json()["id"]
    page = open_page(viewport={"width": 1280, "height": 900})
    link = page.locator(f'tr[data-key="{payment}"] a')
    link.focus()
    pay(client)
    expect(page.locator("#rows tbody tr")).to_have_count(2)
    expect(link).to_be_focused()


def test_an_attempt_that_was_folded_out_stays_so(
    open_page: OpenPage, client: httpx.Client, shop: Shop, sandbox: Sandbox
) -> None:
    shop.default = WebhookResponse(500)
    shop.register(client, enabled_events=["payment.completed"])
    pay(client)
    sandbox.advance(60)
    page = open_page(
        f"#/delivery/{sandbox.deliveries()[0]['id']}", viewport={"width": 1280, "height": 900}
    )
    page.locator("#detail summary").filter(has_text="Attempt 1").click()
    sandbox.advance(300)
    expect(page.locator("#detail summary").filter(has_text="Attempt 3")).to_be_visible()
    expect(page.locator("#detail details[data-key='0']")).to_have_attribute("open", "")


def test_on_a_phone_the_detail_takes_the_lists_place(
    open_page: OpenPage, client: httpx.Client
) -> None:
    pay(client)
    page = open_page(viewport={"width": 320, "height": 700})
    page.locator("#rows tbody a").click()
    expect(page.locator("#list")).to_be_hidden()
    page.get_by_role("button", name="Back").click()
    expect(page.locator("#list")).to_be_visible()


def test_slash_goes_to_the_search(open_page: OpenPage) -> None:
    page = open_page(viewport={"width": 1280, "height": 900})
    page.keyboard.press("/")
    expect(page.get_by_label("Search this list")).to_be_focused()


def test_times_are_written_as_the_english_page_does(open_page: OpenPage) -> None:
    page = open_page(locale="ar-EG")
    english = re.compile(r"^[0-9]+ [A-Z][a-z]+ [0-9]{4}, [0-9:]{8}$")
    expect(page.locator("#clock")).to_have_text(english)
