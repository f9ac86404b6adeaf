"""What a merchant's templates may use."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, render_template_string

from flask_paysafer.checkout.orders import checked_reference
from flask_paysafer.checkout.rendering import Renderer
from flask_paysafer.config import Config
from flask_paysafer.errors import ConfigurationError
from flask_paysafer.extension import PaySafer
from flask_paysafer.money import Money
from tests.checkout.conftest import MakeShop
from tests.checkout.shop import CHALLENGE, DECLINED, SETTINGS, Shop, hidden_fields


def rendered(shop: Shop, source: str, **values: Any) -> str:
    with shop.app.test_request_context():
        return render_template_string(source, **values)


def test_the_address_of_a_checkout(shop: Shop) -> None:
    assert rendered(shop, "{{ paysafer_checkout_url(1234) }}") == "/paysafer/checkout/1234"
    assert rendered(shop, "{{ paysafer_checkout_url('a b') }}") == "/paysafer/checkout/a%20b"


@pytest.mark.parametrize("reference", ["", None, "a/b", "a" * 256, ".", ".."])
def test_a_reference_that_fits_no_address_is_refused(reference: Any) -> None:
    with pytest.raises(ValueError, match="1 to 255 printable characters without a slash"):
        checked_reference(reference)


def test_the_form_anywhere_in_the_shop(shop: Shop) -> None:
    form = rendered(shop, "{{ paysafer_checkout('1234') }}")
    assert 'action="/paysafer/checkout/1234"' in form
    assert 'data-key="pk_test_acmeshop1"' in form
    assert "paysafer-checkout.js" in form


def test_the_embedded_form_pays(shop: Shop) -> None:
    @shop.app.get("/basket")
    def basket() -> str:
        return render_template_string("{{ paysafer_checkout('1234') }}")

    fields = hidden_fields(shop.open("/basket").text)
    sent = shop.browser.post("/paysafer/checkout/1234", data=fields | {"token": shop.token()})
    assert shop.open(sent.location).location == "/thanks"


def test_card_inputs_have_no_name(shop: Shop) -> None:
    form = rendered(shop, "{{ paysafer_checkout('1234') }}")
    inputs = re.findall(r"<input[^>]*data-paysafer-field[^>]*>", form)
    assert len(inputs) == 4
    assert not any(re.search(r"\sname=", card_input) for card_input in inputs)


def test_several_forms_on_one_page_share_no_id(shop: Shop) -> None:
    shop.orders["1235"] = replace(shop.orders["1234"], reference="1235")
    page = rendered(shop, "{{ paysafer_checkout('1234') }}{{ paysafer_checkout('1235') }}")
    ids = re.findall(r'\sid="([^"]+)"', page)
    assert len(ids) == len(set(ids)) > 10
    assert page.count("<script") == page.count("<link") == 1


def test_scripts_are_printed_once(shop: Shop) -> None:
    page = rendered(shop, "{{ paysafer_scripts() }}{{ paysafer_checkout('1234') }}")
    assert page.count("<script") == 1
    assert len(re.findall(r'integrity="sha384-[A-Za-z0-9+/]{64}"', page)) == 2


def test_an_order_that_is_paid_or_under_way_shows_what_it_is_at(shop: Shop) -> None:
    shop.pay(CHALLENGE)
    page = rendered(shop, "{{ paysafer_checkout('1234') }}")
    assert "data-paysafer-form" not in page
    assert "Confirm with your bank" in page
    assert "data-paysafer-wait" in page
    shop.answer_challenge("pass")
    shop.let_time_pass(1)
    assert "Paid, thank you" in rendered(shop, "{{ paysafer_checkout('1234') }}")


def test_it_speaks_the_orders_language(shop: Shop) -> None:
    shop.change_order(locale="ar")
    shop.pay(CHALLENGE)
    page = rendered(shop, "{{ paysafer_checkout('1234') }}")
    assert 'lang="ar" dir="rtl"' in page


def test_a_page_of_the_shop_survives_a_database_that_is_down(shop: Shop) -> None:
    shop.open()
    with shop.checkout._store._database.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE paysafer_checkout RENAME TO gone")
    page = rendered(shop, "{{ paysafer_checkout('1234') }}")
    assert 'href="/paysafer/checkout/1234"' in page


def test_an_order_that_does_not_exist_gets_nothing(shop: Shop) -> None:
    assert rendered(shop, "{{ paysafer_checkout('9') }}") == ""


def test_the_embedded_form_tells_why_the_last_try_failed(shop: Shop) -> None:
    shop.pay(DECLINED)
    assert "Your bank declined this card" in rendered(shop, "{{ paysafer_checkout('1234') }}")


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("{{ 15000 | paysafer_money('aed') }}", "150.00"),
        ("{{ 1234 | paysafer_money('KWD') }}", "1.234"),
        ("{{ money | paysafer_money }}", "150.00"),
        ("{{ money | paysafer_money(locale='ar') }}", "150.00"),
    ],
)
def test_amounts_in_templates(shop: Shop, source: str, shown: str) -> None:
    assert shown in rendered(shop, source, money=Money(15000, "aed"))


def test_an_amount_without_a_currency_is_refused(shop: Shop) -> None:
    with pytest.raises(ValueError, match="currency"):
        rendered(shop, "{{ 15000 | paysafer_money }}")


def test_the_publishable_key(shop: Shop) -> None:
    assert rendered(shop, "{{ paysafer_publishable_key() }}") == "pk_test_acmeshop1"


def test_says_that_the_publishable_key_is_missing(make_shop: MakeShop) -> None:
    shop = make_shop(PAYSAFER_PUBLISHABLE_KEY=None)
    with pytest.raises(ConfigurationError, match="PAYSAFER_PUBLISHABLE_KEY is not set"):
        rendered(shop, "{{ paysafer_publishable_key() }}")


def test_a_secret_key_is_never_printed_whatever_is_configured() -> None:
    """The settings refuse it at start; this holds if they ever should not."""
    renderer = Renderer(Config(publishable_key="sk_test_acmeshop1"))
    with pytest.raises(ConfigurationError) as raised:
        renderer.publishable_key()
    assert "acmeshop1" not in str(raised.value)


def test_templates_reach_no_settings(shop: Shop) -> None:
    shown = rendered(
        shop,
        "{{ paysafer_checkout }}{{ paysafer_checkout_url }}{{ paysafer_scripts }}"
        "{{ paysafer_publishable_key }}",
    )
    assert "sk_test" not in shown


def test_a_second_accounts_helpers_have_its_name(tmp_path: Path) -> None:
    app = Flask("shop", instance_path=str(tmp_path))
    app.config.from_mapping(
        SETTINGS
        | {
            "PAYSAFER_EU_SECRET_KEY": "sk_test_europeshop",
            "PAYSAFER_EU_PUBLISHABLE_KEY": "pk_test_europeshop",
        }
    )
    PaySafer(app)
    PaySafer(app, name="paysafer_eu")
    with app.test_request_context():
        source = "{{ paysafer_publishable_key() }} {{ paysafer_eu_publishable_key() }}"
        assert render_template_string(source) == "pk_test_acmeshop1 pk_test_europeshop"
        assert (
            render_template_string("{{ paysafer_eu_checkout_url(1) }}") == "/paysafer_eu/checkout/1"
        )


# The merchant's own templates


@pytest.mark.parametrize(
    ("block", "template", "base"),
    [
        ("header", "checkout.html", "base_checkout.html"),
        ("summary", "checkout.html", "base_checkout.html"),
        ("head", "checkout.html", "base_checkout.html"),
        ("title", "checkout.html", "base_checkout.html"),
        ("content", "checkout.html", "base_checkout.html"),
        ("footer", "checkout.html", "base_checkout.html"),
        ("before", "form.html", "base_form.html"),
        ("number", "form.html", "base_form.html"),
        ("name", "form.html", "base_form.html"),
        ("button", "form.html", "base_form.html"),
        ("note", "form.html", "base_form.html"),
    ],
)
def test_single_blocks_can_be_overridden(
    sandbox: Any, tmp_path: Path, block: str, template: str, base: str
) -> None:
    own = tmp_path / "templates" / "paysafer"
    own.mkdir(parents=True)
    extends = f'{{% extends "paysafer/{base}" %}}'
    own.joinpath(template).write_text(f"{extends}{{% block {block} %}}OURS{{% endblock %}}")
    shop = Shop(sandbox, tmp_path)
    shop.app.template_folder = str(own.parent)
    page = shop.open().text
    assert "OURS" in page
    assert "data-paysafer-form" in page
