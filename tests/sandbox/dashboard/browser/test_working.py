"""What a developer does with the page all day."""

from __future__ import annotations

import httpx
from playwright.sync_api import Page, expect

from flask_paysafer.sandbox import Sandbox, WebhookResponse
from tests.sandbox.conftest import pay, types
from tests.sandbox.shop import WEBHOOK, Shop

from .conftest import OpenPage

WIDE = {"width": 1280, "height": 900}


def click(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()


def told(page: Page, text: str) -> None:
    expect(page.get_by_role("status")).to_contain_text(text)


def test_a_payment_shows_up_by_itself(page: Page, client: httpx.Client) -> None:
    pay(client, amount=123456, metadata={"order": "1"})
    expect(page.locator("#rows tr").filter(has_text="AED 1,234.56")).to_be_visible()
    expect(page.locator('[data-count="payment"]')).to_have_text("1")


def test_a_refund_of_a_part(open_page: OpenPage, client: httpx.Client, sandbox: Sandbox) -> None:
    payment = pay(client).json()["id"]
    page = open_page(f"#/payment/{payment}", viewport=WIDE)
    click(page, "Refund")
    page.locator("#amount-dialog").get_by_label("Amount").fill("5.00")
    page.locator("#amount-dialog button.primary").click()
    told(page, "Refunded.")
    expect(page.locator("#detail .badge").first).to_have_text("partly refunded")
    assert sandbox.objects("payment")[0]["amount_refunded"] == 500


def test_what_is_wrong_is_said_in_the_dialog(open_page: OpenPage, client: httpx.Client) -> None:
    payment = pay(client).json()["id"]
    page = open_page(f"#/payment/{payment}", viewport=WIDE)
    click(page, "Refund")
    page.locator("#amount-dialog").get_by_label("Amount").fill("150.01")
    page.locator("#amount-dialog button.primary").click()
    expect(page.locator("#amount-dialog .problem")).to_contain_text("15001")
    expect(page.locator("#amount-dialog")).to_be_visible()


def test_capture_and_cancel(open_page: OpenPage, client: httpx.Client) -> None:
    first, second = (pay(client, capture_method="manual").json()["id"] for _ in range(2))
    page = open_page(f"#/payment/{first}", viewport=WIDE)
    click(page, "Capture")
    page.locator("#amount-dialog button.primary").click()
    told(page, "Captured.")
    page.goto(page.url.replace(first, second))
    page.locator("#detail").get_by_role("button", name="Cancel").click()
    told(page, "Canceled.")
    assert [client.get(f"/payments/{one}").json()["status"] for one in (first, second)] == [
        "succeeded",
        "canceled",
    ]


def test_the_cardholder_authenticates_or_does_not(
    open_page: OpenPage, client: httpx.Client
) -> None:
    first, second = (pay(client, "authenticationRequired").json()["id"] for _ in range(2))
    page = open_page(f"#/payment/{first}", viewport=WIDE)
    click(page, "Approve at the bank")
    told(page, "Approved at the bank.")
    page.goto(page.url.replace(first, second))
    expect(page.locator("#detail")).to_have_attribute("data-shown", second)
    click(page, "Decline at the bank")
    told(page, "Declined at the bank.")
    statuses = [client.get(f"/payments/{one}").json()["status"] for one in (first, second)]
    assert statuses == ["succeeded", "failed"]


def test_a_dispute_is_opened_and_lost_and_money_paid_out(
    open_page: OpenPage, client: httpx.Client, sandbox: Sandbox
) -> None:
    pay(client)
    page = open_page(f"#/payment/{pay(client).json()['id']}", viewport=WIDE)
    click(page, "Open dispute")
    told(page, "The cardholder opened a dispute.")
    page.locator("#detail").get_by_role("link", name="AED 150.00").click()
    click(page, "Dispute lost")
    told(page, "The dispute is lost.")
    page.goto(page.url.split("#")[0] + f"#/payment/{sandbox.objects('payment')[0]['id']}")
    click(page, "Pay out balance")
    told(page, "Paid out.")
    assert types(sandbox)[-3:] == ["dispute.created", "dispute.resolved", "payout.completed"]
    assert sandbox.objects("payout")[0]["amount"] == 15000


def test_a_delivery_fails_is_retried_and_resent(
    open_page: OpenPage, client: httpx.Client, shop: Shop, sandbox: Sandbox
) -> None:
    shop.default = WebhookResponse(500, body="out of stock")
    shop.register(client, enabled_events=["payment.completed"])
    pay(client)
    sandbox.advance(0)
    page = open_page("#/delivery", viewport=WIDE)
    page.get_by_role("link", name="payment.completed").first.click()
    expect(page.locator("#detail")).to_contain_text("out of stock")
    click(page, "Next retry")
    told(page, "Moved to the next retry")
    expect(page.locator("#detail summary").filter(has_text="Attempt 2")).to_be_visible()
    shop.default = WebhookResponse(200)
    click(page, "Resend")
    told(page, "Sent again: answered 200.")
    expect(page.locator("#detail .detail-head .badge")).to_have_text("delivered")


def test_the_clock_is_moved(page: Page, sandbox: Sandbox) -> None:
    started = sandbox.clock()["now"]
    click(page, "+1 min")
    told(page, "The clock was moved")
    with page.expect_response("**/clock/advance"):
        click(page, "+1 h")
    click(page, "More…")
    page.get_by_label("Days").fill("2")
    click(page, "Move on")
    expect(page.locator("#clock-dialog")).to_be_hidden()
    assert sandbox.clock()["now"] == started + 60 + 3600 + 2 * 86400


def test_a_fault_is_armed_and_disarmed(page: Page, sandbox: Sandbox) -> None:
    page.get_by_role("button", name="Faults").click()
    page.get_by_label("Path").fill("/v1/payments")
    page.get_by_label("Method").select_option("POST")
    click(page, "Arm")
    told(page, "Armed: lost-answer.")
    (fault,) = sandbox.faults()
    assert (fault["kind"], fault["method"], fault["path"], fault["times"]) == (
        "lost-answer",
        "POST",
        "/v1/payments",
        1,
    )
    page.get_by_role("button", name="Faults 1").click()
    click(page, "Disarm all")
    expect(page.locator("#faults")).to_contain_text("No faults armed.")
    assert sandbox.faults() == []


def test_an_event_is_triggered_with_data(page: Page, sandbox: Sandbox) -> None:
    click(page, "Trigger event")
    dialog = page.locator("#trigger-dialog")
    dialog.get_by_label("Amount").fill("7.00")
    dialog.get_by_label("Data").fill('{"metadata": {"order_id": "7"}')
    dialog.locator("button.primary").click()
    expect(dialog.locator(".problem")).to_contain_text("JSON")
    dialog.get_by_label("Data").fill('{"metadata": {"order_id": "7"}}')
    dialog.locator("button.primary").click()
    told(page, "payment.completed happened.")
    (payment,) = sandbox.objects("payment")
    assert (payment["amount"], payment["metadata"]) == (700, {"order_id": "7"})


def test_an_endpoint_is_added_and_its_secret_copied(open_page: OpenPage, sandbox: Sandbox) -> None:
    page = open_page("#/webhook_endpoint", viewport=WIDE)
    page.locator("#add-endpoint").click()
    page.get_by_label("Address").fill(WEBHOOK)
    click(page, "Add")
    click(page, "Copy signing secret")
    told(page, "Copied.")
    secret = page.evaluate("navigator.clipboard.readText()")
    assert secret.startswith("whsec_")
    assert secret in page.locator("#detail").inner_text()
    assert sandbox.objects("webhook_endpoint")[0]["url"] == WEBHOOK


def test_copies_land_on_the_clipboard(open_page: OpenPage, client: httpx.Client) -> None:
    pay(client)
    page = open_page("#/request", viewport=WIDE)
    page.get_by_role("link", name="POST /v1/payments").click()
    click(page, "Copy as pytest")
    told(page, "Copied as a test.")
    assert "def test_create_payment" in page.evaluate("navigator.clipboard.readText()")
    click(page, "Copy as curl")
    told(page, "Copied as a command.")
    assert page.evaluate("navigator.clipboard.readText()").startswith("curl -X POST")
    click(page, "Session")
    click(page, "Copy all as pytest")
    told(page, "Copied as a test.")
    assert "the whole session" in page.evaluate("navigator.clipboard.readText()")


def test_a_search_narrows_the_list(open_page: OpenPage, client: httpx.Client) -> None:
    pay(client, description="Cardamom")
    pay(client, description="Saffron")
    page = open_page(viewport=WIDE)
    page.get_by_label("Search this list").fill("saffr")
    expect(page.locator("#rows tbody tr")).to_have_count(1)
    expect(page.locator("#rows tbody tr")).to_contain_text("Saffron")
    page.get_by_label("Search this list").fill("nothing like it")
    expect(page.locator("#rows")).to_contain_text("No matches.")


def test_a_row_leads_to_its_details_wherever_it_is_clicked(
    open_page: OpenPage, client: httpx.Client
) -> None:
    payment, other = (pay(client).json()["id"] for _ in range(2))
    page = open_page(viewport=WIDE)
    page.locator(f'tr[data-key="{payment}"] .badge').click()
    expect(page.locator("#detail")).to_have_attribute("data-shown", payment)
    page.locator(f'#rows tr[data-key="{other}"] .mono').dblclick()  # selects the id, to copy it
    assert page.evaluate("getSelection().toString()").strip() in other
    page.evaluate("getSelection().removeAllRanges()")
    page.locator("#detail tr").filter(has_text="payment.completed").locator("td.when").click()
    expect(page.locator("#list-title")).to_have_text("Events")


def test_settings_are_saved(page: Page, sandbox: Sandbox) -> None:
    click(page, "Session")
    page.get_by_label("Idempotency keys").select_option("strict")
    page.get_by_label("Strict: refuse").check()
    click(page, "Save")
    told(page, "Saved.")
    settings = sandbox.settings()
    assert (settings["idempotency"], settings["strict"]) == ("strict", True)


def test_a_shop_is_seeded_and_emptied(page: Page, sandbox: Sandbox) -> None:
    page.locator("#rows").get_by_role("button", name="Fill with").click()
    told(page, "Made a small shop's history")
    assert sandbox.objects("payment")
    page.on("dialog", lambda dialog: dialog.accept())
    click(page, "Session")
    click(page, "Empty the sandbox")
    told(page, "The sandbox is empty.")
    assert sandbox.objects("payment") == []


def test_text_from_outside_is_shown_as_text(open_page: OpenPage, client: httpx.Client) -> None:
    attack = "<img src=x onerror=alert(1)><script>alert(1)</script>"
    payment = pay(client, description=attack, metadata={"note": attack}).json()["id"]
    page = open_page(f"#/payment/{payment}", viewport=WIDE)
    expect(page.locator("#detail .facts")).to_contain_text(attack)
    assert page.locator("#rows img, #detail img, main script").count() == 0


def test_a_list_is_filtered_and_the_filter_stays(
    open_page: OpenPage, client: httpx.Client, sandbox: Sandbox
) -> None:
    declined = [pay(client, "chargeDeclined").json()["error"]["payment"]["id"] for _ in range(2)]
    pay(client)
    page = open_page(viewport=WIDE)
    page.get_by_label("Filter by status").select_option("failed")
    expect(page.locator("#rows tbody tr")).to_have_count(2)
    page.locator(f'tr[data-key="{declined[0]}"] a').click()
    expect(page.locator("#detail")).to_have_attribute("data-shown", declined[0])
    click(page, "Close details")
    pay(client)
    expect(page.locator('[data-count="payment"]')).to_have_text("4")
    expect(page.locator("#rows tbody tr")).to_have_count(2)


def test_every_row_of_a_long_list_is_reached(open_page: OpenPage, sandbox: Sandbox) -> None:
    for _ in range(120):
        sandbox.trigger("customer.created", account="acmeshop1")
    oldest = sandbox.objects("customer")[0]["id"]
    page = open_page("#/customer", viewport=WIDE)
    expect(page.locator(".pager")).to_contain_text("1 to 50 of 120")
    click(page, "Older")
    expect(page.locator(".pager")).to_contain_text("51 to 100 of 120")
    click(page, "Oldest")
    expect(page.locator(f'tr[data-key="{oldest}"]')).to_be_visible()
    expect(page.locator("#rows tbody tr")).to_have_count(20)
    click(page, "Newest")
    expect(page.locator(".pager")).to_contain_text("1 to 50 of 120")


def test_only_rows_that_came_later_are_marked_as_new(
    open_page: OpenPage, client: httpx.Client
) -> None:
    first = pay(client).json()["id"]
    page = open_page(viewport=WIDE)
    assert page.locator("#rows tr.fresh").count() == 0
    second = pay(client).json()["id"]
    expect(page.locator(f'tr[data-key="{second}"]')).to_have_class("fresh")
    expect(page.locator(f'tr[data-key="{first}"]')).not_to_have_class("fresh")


def test_settings_are_copied_whole(open_page: OpenPage, sandbox: Sandbox) -> None:
    secret = sandbox.register(WEBHOOK)["secret"]
    page = open_page(viewport=WIDE)
    click(page, "Session")
    page.locator("#session-dialog").get_by_role("button", name="Copy settings").click()
    expect(page.get_by_role("status")).to_contain_text("Copied.")
    assert page.evaluate("navigator.clipboard.readText()") == (
        f"export PAYSAFER_API_BASE={sandbox.url}/v1\n"
        "export PAYSAFER_SECRET_KEY=sk_test_acmeshop1\n"
        "export PAYSAFER_PUBLISHABLE_KEY=pk_test_acmeshop1\n"
        f"export PAYSAFER_WEBHOOK_SECRET={secret}"
    )


def test_rows_take_one_line_where_the_screen_is_wide(
    open_page: OpenPage, client: httpx.Client
) -> None:
    pay(client, description="a very long description " * 20)
    page = open_page(viewport=WIDE)
    box = page.locator("#rows tbody tr").bounding_box()
    assert box is not None
    assert box["height"] < 40
