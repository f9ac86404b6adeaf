"""The exam of running shops: the good one passes, and each fault is found and named."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from click.testing import Result
from flask import Flask

from flask_paysafer.cli.exam.cases import CASES, Case, Runner, grade_case
from flask_paysafer.cli.http import HTTPClient, Reply
from flask_paysafer.config import Config
from flask_paysafer.inbox.queries import EventFilter
from flask_paysafer.state import get_state
from tests.webhooks.door_app import OLD_SECRET, SECRET

from . import shops
from .shops import Spoil, make_shop, served

pytestmark = pytest.mark.slow

unused = HTTPClient(urlsplit("http://127.0.0.1:9"), timeout=1)


def examine(app: Flask, url: str, *options: str) -> Result:
    return app.test_cli_runner().invoke(args=["paysafer", "exam", url, *options])


def outcomes(app: Flask, url: str, *options: str) -> dict[str, dict[str, Any]]:
    result = examine(app, url, "--json", *options)
    report = json.loads(result.stdout)
    assert result.exit_code == (0 if report["passed"] else 1)
    return {case["case"]: case for case in report["cases"]}


def failed(cases: dict[str, dict[str, Any]]) -> set[str]:
    return {name for name, case in cases.items() if case["outcome"] == "fail"}


def test_a_sound_shop_passes_in_every_case(tmp_path: Path) -> None:
    shop = make_shop(tmp_path, shops.flask_wtf, WEBHOOK_SECRET=[SECRET, OLD_SECRET])
    with served(shop) as url:
        cases = outcomes(shop, url)
    # A busy machine may answer late, which is a warning and no fault of the shop's.
    assert {case["outcome"] for case in cases.values()} <= {"pass", "warn"}
    assert len(cases) >= 20
    handled = shop.extensions["handled"]
    assert len(handled) == len(set(handled)) >= 10


def test_what_the_settings_leave_out_is_skipped(tmp_path: Path) -> None:
    shop = make_shop(tmp_path, SIGNATURE_SCHEME="body")
    with served(shop) as url:
        cases = outcomes(shop, url)
    skipped = {name for name, case in cases.items() if case["outcome"] == "skip"}
    assert skipped == {"rotated secret", "rotating sender", "stale", "future"}
    assert failed(cases) == set()


FAULTS: list[tuple[Spoil, str, str, str]] = [
    (shops.no_route, "genuine", "The webhook's route is not at this address.", "init_app"),
    (shops.handler_raises, "genuine", "A handler raised for the exam's event", "paysafer_exam"),
    (shops.home_grown_csrf, "genuine", "CSRF protection refuses the delivery", "exempt"),
    (shops.login_required, "genuine", "A login wall before the app redirects", "proxy"),
    (shops.to_https, "genuine", "redirects to HTTPS", "Register the https:// address"),
    (shops.rewrites_bodies, "genuine", "Something reads the body and writes it again", "proxy"),
    (shops.drops_signatures, "genuine", "drops the PaySafer-Signature header", "log"),
    (shops.limits_bodies, "genuine", "The body is refused as too large", "proxy's limit"),
    (shops.limits_bodies, "unsigned", "The body is refused as too large", "proxy's limit"),
    (shops.limits_rates, "genuine", "A rate limiter of the app", "limiter.exempt("),
    (shops.limits_rates, "unsigned", "A rate limiter of the app", "limiter.exempt("),
    (shops.knows_one_signature, "rotating sender", "The shop refuses a right signature", "log"),
    (shops.believes_everything, "stale", "for longer than these settings do", "TOLERANCE"),
    (shops.believes_everything, "future", "made for later", "time service"),
    (shops.believes_everything, "oversize", "reads more than these settings allow", "MAX_BYTES"),
    (shops.believes_everything, "unsigned", "The shop took what it must refuse", "address"),
    (shops.crashes_on_json, "wrong secret", "The app fails on input that anybody can send", "log"),
]


@pytest.mark.parametrize(("spoil", "case", "cause", "hint"), FAULTS)
def test_a_fault_is_found_with_its_cause_and_a_hint(
    tmp_path: Path, spoil: Spoil, case: str, cause: str, hint: str
) -> None:
    shop = make_shop(tmp_path, spoil)
    runner = make_shop(tmp_path) if "no route" in shop.extensions else shop
    with served(shop) as url:
        cases = outcomes(runner, url)
    assert cases[case]["outcome"] == "fail"
    assert cause in cases[case]["cause"]
    assert hint in cases[case]["hint"]


def test_a_shop_that_does_not_answer_in_time_is_found(tmp_path: Path) -> None:
    shop = make_shop(tmp_path, shops.slow_handler)
    with served(shop) as url:
        try:
            cases = outcomes(shop, url, "--timeout", "0.05")
        finally:
            shop.extensions["released"].set()
    assert cases["slow handler"]["outcome"] == "fail"
    assert cases["slow handler"]["cause"].startswith("No answer came in time")


@pytest.mark.parametrize(
    ("seconds", "outcome"), [(0.1, "pass"), (5.5, "warn"), (9.9, "warn"), (10.5, "fail")]
)
def test_an_answer_is_graded_by_its_time(seconds: float, outcome: str) -> None:
    reply = Reply(200, '{"received": true}', seconds=seconds)
    case = Case("slow handler", "", frozenset({200}), lambda _: [reply])
    grade = grade_case(case, Runner(Config(webhook_secrets=(SECRET,)), unused, kind="x"))
    assert grade.outcome == outcome


def test_what_went_wrong_is_told_rather_than_how_long_it_took() -> None:
    reply = Reply(503, '{"error": "The event could not be stored"}', seconds=10.5)
    case = Case("genuine", "", frozenset({200}), lambda _: [reply])
    grade = grade_case(case, Runner(Config(webhook_secrets=(SECRET,)), unused, kind="x"))
    assert grade.finding is not None
    assert grade.finding.cause == "The shop's inbox can't be written."


def test_a_secret_of_another_endpoint_is_found(tmp_path: Path) -> None:
    with served(make_shop(tmp_path, WEBHOOK_SECRET=OLD_SECRET)) as url:
        cases = outcomes(make_shop(tmp_path), url)
    assert "the secret of another endpoint or mode" in cases["genuine"]["cause"]
    assert "PAYSAFER_WEBHOOK_SECRET" in cases["genuine"]["hint"]
    assert cases["wrong secret"]["outcome"] == "pass"


def test_a_shop_without_a_secret_is_found(tmp_path: Path) -> None:
    with served(make_shop(tmp_path, WEBHOOK_SECRET=None)) as url:
        cases = outcomes(make_shop(tmp_path), url)
    assert cases["genuine"]["cause"] == "The running shop has no webhook secret."


def test_an_address_where_nothing_listens_is_found(tmp_path: Path) -> None:
    shop = make_shop(tmp_path)
    with served(shop) as url:
        pass
    cases = outcomes(shop, url)
    assert failed(cases) == set(cases) - {"rotated secret"}
    assert cases["genuine"]["cause"] == "Nothing listens at this address."


def test_a_live_shop_stores_the_exam_and_handles_none_of_it(tmp_path: Path) -> None:
    shop = make_shop(tmp_path, shops.handler_raises, SECRET_KEY="sk_live_exam12345")
    with served(shop) as url:
        assert failed(outcomes(shop, url)) == set()


def events_in(shop: Flask) -> int:
    with shop.app_context():
        return get_state(shop).inbox.browser.count(EventFilter())


def test_no_event_of_the_exam_stays_in_the_inbox(tmp_path: Path) -> None:
    shop = make_shop(tmp_path, shops.handler_raises)
    with served(shop) as url:
        result = examine(shop, url)
    assert "fail  genuine" in result.output
    assert "The inbox is clear of the exam's " in result.output
    assert events_in(shop) == 0


def test_the_events_of_the_exam_stay_if_they_are_to(tmp_path: Path) -> None:
    shop = make_shop(tmp_path)
    with served(shop) as url:
        examine(shop, url, "--keep")
    assert events_in(shop) > 10


def test_an_inbox_that_is_not_the_shops_is_left_alone(tmp_path: Path) -> None:
    shop, other = make_shop(tmp_path / "a"), make_shop(tmp_path / "b")
    with served(shop) as url:
        result = examine(other, url)
    assert "The inbox of these settings holds no event of the exam." in result.output
    assert events_in(shop) > 10


def test_an_inbox_out_of_reach_does_not_spoil_the_exam(tmp_path: Path) -> None:
    other = make_shop(tmp_path / "b", INBOX_URL="mysql+nobodys://127.0.0.1/shop")
    with served(make_shop(tmp_path / "a")) as url:
        assert examine(other, url).exit_code == 0


def test_the_webhooks_own_address_can_be_given(tmp_path: Path) -> None:
    shop = make_shop(tmp_path, URL_PREFIX="/pay")
    with served(shop) as url:
        assert failed(outcomes(shop, f"{url}/pay/webhook/?x=1")) == set()
        assert failed(outcomes(shop, url)) == set()


def test_the_table_names_each_case_and_the_hint_for_what_failed(tmp_path: Path) -> None:
    shop = make_shop(tmp_path, shops.handler_raises)
    with served(shop) as url:
        result = examine(shop, url)
    assert result.exit_code == 1
    assert "fail  genuine" in result.output
    assert "Hint: Let handlers pass over exams" in result.output
    assert "pass  tampered" in result.output
    assert SECRET not in result.output


def test_a_type_without_handlers_can_be_chosen(tmp_path: Path) -> None:
    shop = make_shop(tmp_path, shops.handler_raises)
    with served(shop) as url:
        assert failed(outcomes(shop, url, "--type", "customer.updated")) == set()


@pytest.mark.parametrize("url", ["https://shop.example/hook", "http://192.0.2.1", "203.0.113.5:80"])
def test_a_shop_elsewhere_needs_consent(tmp_path: Path, url: str) -> None:
    result = examine(make_shop(tmp_path), url)
    assert result.exit_code == 2
    assert "add --yes-remote" in result.output.replace("\n", " ")


@pytest.mark.parametrize("url", ["ftp://127.0.0.1", "http://", "http://127.0.0.1:x", "http://[::1"])
def test_what_is_no_address_is_a_usage_error(tmp_path: Path, url: str) -> None:
    result = examine(make_shop(tmp_path), url)
    assert result.exit_code == 2
    assert "it must be an address such as" in result.output


def test_without_a_secret_there_is_nothing_to_sign_with(tmp_path: Path) -> None:
    result = examine(make_shop(tmp_path, WEBHOOK_SECRET=None), "http://127.0.0.1:9")
    assert result.exit_code == 1
    assert "PAYSAFER_WEBHOOK_SECRET is not set" in result.output


def test_a_scheme_that_can_not_sign_is_said(tmp_path: Path) -> None:
    shop = make_shop(tmp_path, SIGNATURE_SCHEME=lambda payload, signature, secret: False)
    result = examine(shop, "http://127.0.0.1:9")
    assert result.exit_code == 1
    assert "Give it a method sign" in result.output


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "http://no-such-host.invalid"])
def test_an_address_where_nobody_is_ends_the_exam(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    def resolve(host: str, *args: Any, **kwargs: Any) -> Any:
        if host == "no-such-host.invalid":  # without waiting for a name server
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return real(host, *args, **kwargs)

    real = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    shop = make_shop(tmp_path)

    result = examine(shop, url, "--yes-remote")

    assert result.exit_code == 1
    assert result.stdout.count("fail") == 2  # one row, and the count
    assert "Nothing listens at this address." in result.stdout
    assert "Hint: Start the shop, or correct the URL." in result.stdout
    assert f"The other {len(CASES) - 1} cases were not tried." in result.stdout
    cases = outcomes(shop, url, "--yes-remote")
    assert failed(cases) == set(cases) == {"genuine"}
