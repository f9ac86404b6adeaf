from __future__ import annotations

from pathlib import Path

import pytest

from flask_paysafer.sandbox import Sandbox
from tests.cli.shop import SECRET, URL, KitShop


def test_creates_the_endpoint_and_shows_its_secret_once(shop: KitShop) -> None:
    result = shop.run("endpoints", "create", "--url", URL)

    [endpoint] = shop.sandbox.objects("webhook_endpoint")
    assert result.exit_code == 0, result.output
    assert endpoint["url"] == URL
    assert endpoint["enabled_events"] == ["*"]
    assert result.output.count("PAYSAFER_WEBHOOK_SECRET=whsec_") == 1
    assert "whsec_" not in shop.run("endpoints", "list").output


def test_completes_the_address_of_the_site(shop: KitShop) -> None:
    shop.run("endpoints", "create", "--url", "http://127.0.0.1:5000")

    assert shop.sandbox.objects("webhook_endpoint")[0]["url"] == URL


def test_finds_the_address_in_the_settings(sandbox: Sandbox, tmp_path: Path) -> None:
    shop = KitShop(sandbox, tmp_path, SERVER_NAME="localhost:5000", PREFERRED_URL_SCHEME="http")

    shop.run("endpoints", "create")

    url = shop.sandbox.objects("webhook_endpoint")[0]["url"]
    assert url == "http://localhost:5000/paysafer/webhook"


def test_says_how_to_name_an_address_that_it_does_not_know(shop: KitShop) -> None:
    result = shop.run("endpoints", "create")

    assert result.exit_code == 1
    assert "Pass it with --url https://shop.example, or set SERVER_NAME." in result.output


@pytest.mark.parametrize("url", ["shop.example", "ftp://shop.example", "https://", "http://a b/"])
def test_refuses_what_is_no_address(shop: KitShop, url: str) -> None:
    result = shop.run("endpoints", "create", "--url", url)

    assert result.exit_code == 1
    assert "is no address" in result.output


def test_limits_the_events_if_asked(shop: KitShop) -> None:
    shop.run("endpoints", "create", "--url", URL, "--event", "payment.completed")

    assert shop.sandbox.objects("webhook_endpoint")[0]["enabled_events"] == ["payment.completed"]


def test_refuses_a_type_that_does_not_exist(shop: KitShop) -> None:
    result = shop.run("endpoints", "create", "--url", URL, "--event", "payment.complete")

    assert "no event type 'payment.complete'" in result.output
    assert shop.sandbox.objects("webhook_endpoint") == []


class TestLive:
    URL = "https://shop.example/paysafer/webhook"

    @pytest.fixture
    def shop(self, sandbox: Sandbox, tmp_path: Path) -> KitShop:
        keys = {
            "PAYSAFER_SECRET_KEY": "sk_live_kitshop12",
            "PAYSAFER_PUBLISHABLE_KEY": "pk_live_kitshop12",
        }
        return KitShop(sandbox, tmp_path, **keys)

    def test_asks_before_it_goes_live(self, shop: KitShop) -> None:
        result = shop.run("endpoints", "create", "--url", self.URL, answers="n\n")

        assert result.exit_code == 1
        assert "events about real money" in result.output
        assert shop.sandbox.objects("webhook_endpoint") == []

    def test_asks_before_it_deletes_a_live_endpoint(self, shop: KitShop) -> None:
        shop.run("endpoints", "create", self.URL, "--yes")
        [endpoint] = shop.json("endpoints", "list")

        assert shop.run("endpoints", "delete", endpoint["id"], answers="n\n").exit_code == 1
        assert shop.json("endpoints", "list")

        assert shop.run("endpoints", "delete", endpoint["id"], answers="y\n").exit_code == 0
        assert shop.json("endpoints", "list") == []

    def test_refuses_an_address_that_live_events_do_not_reach(self, shop: KitShop) -> None:
        result = shop.run("endpoints", "create", "--url", URL, "--yes")

        assert result.exit_code == 1
        assert "Live events go to https:// addresses" in result.output


def test_asks_before_it_registers_an_address_twice(shop: KitShop) -> None:
    shop.run("endpoints", "create", "--url", URL)

    refused = shop.run("endpoints", "create", "--url", URL, answers="n\n")
    wanted = shop.run("endpoints", "create", "--url", URL, answers="y\n")

    assert "registered already" in refused.output
    assert refused.exit_code == 1
    assert wanted.exit_code == 0
    assert len(shop.sandbox.objects("webhook_endpoint")) == 2


def test_lists_the_endpoints(shop: KitShop) -> None:
    assert "endpoints create --url" in shop.run("endpoints", "list").output

    shop.run("endpoints", "create", "--url", URL)

    [endpoint] = shop.json("endpoints", "list")
    assert endpoint["url"] == URL
    assert endpoint["id"] in shop.run("endpoints", "list").output


def test_deletes_an_endpoint(shop: KitShop) -> None:
    shop.run("endpoints", "create", URL)
    [endpoint] = shop.json("endpoints", "list")

    assert shop.run("endpoints", "delete", endpoint["id"]).exit_code == 0
    assert shop.json("endpoints", "list") == []


def test_an_unknown_endpoint_is_one_clean_line(shop: KitShop) -> None:
    result = shop.run("endpoints", "delete", "we_none", "--yes")

    assert result.exit_code == 1
    assert result.output.startswith("Error: ")


def test_writes_the_secret_into_an_env_file(shop: KitShop, tmp_path: Path) -> None:
    file = tmp_path / ".env"

    result = shop.run("endpoints", "create", "--url", URL, "--env-file", str(file))

    assert result.exit_code == 0, result.output
    [line] = file.read_text().splitlines()
    assert line.startswith("PAYSAFER_WEBHOOK_SECRET=whsec_")
    assert line in result.output


def test_keeps_the_present_secret_while_both_endpoints_are_registered(
    shop: KitShop, tmp_path: Path
) -> None:
    file = tmp_path / ".env"
    shop.run("endpoints", "create", "--url", URL, "--env-file", str(file))
    first = file.read_text().strip().partition("=")[2]

    shop.run("endpoints", "create", "--url", URL, "--env-file", str(file), "--yes")

    new, old = file.read_text().strip().partition("=")[2].split(",")
    assert old == first
    assert new != first


def test_makes_no_endpoint_whose_secret_could_not_be_written(shop: KitShop, tmp_path: Path) -> None:
    file = tmp_path / "missing" / ".env"

    result = shop.run("endpoints", "create", "--url", URL, "--env-file", str(file))

    assert result.exit_code == 1
    assert "can't be written" in result.output
    assert shop.sandbox.objects("webhook_endpoint") == []


def test_never_shows_the_secrets_of_the_settings(shop: KitShop) -> None:
    shop.run("endpoints", "create", "--url", URL)

    shown = shop.run("endpoints", "list").output + shop.run("endpoints", "list", "--json").output
    assert SECRET not in shown
    assert "sk_test_" not in shown
