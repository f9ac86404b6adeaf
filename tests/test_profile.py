from __future__ import annotations

import dataclasses
import pickle
from pathlib import Path
from typing import Any

import pytest

from flask_paysafer import ApiProfile
from flask_paysafer.config import load_config
from flask_paysafer.errors import ConfigurationError
from flask_paysafer.profile import EVENT_TYPES, STATUSES, at

SOME = {
    "paths": {"payments": "/v2/charges", "confirm": "/v2/charges/{id}/submit"},
    "lists": {"items": "", "has_more": "", "next": "links.next", "after": "page[after]"},
    "statuses": {"paid": "succeeded", "captured": "succeeded"},
    "events": {"charge.paid": "payment.completed"},
    "headers": {"request_id": ["X-Trace"]},
    "webhooks": {"scheme": "body-base64", "resigned_on_retry": False},
}


def refusal(mapping: Any) -> str:
    with pytest.raises(ConfigurationError) as caught:
        ApiProfile.from_mapping(mapping)
    return str(caught.value)


def written(folder: Path, content: str | bytes) -> Path:
    path = folder / "profile.toml"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_the_defaults_are_those_of_every_key() -> None:
    profile = ApiProfile()
    for key in ApiProfile.keys():  # noqa: SIM118 (no dict)
        section = getattr(profile, key.section)
        found = (
            section[key.name]
            if key.section in {"statuses", "events"}
            else getattr(section, key.name)
        )
        assert found == key.default, key
        assert key.meaning.endswith(".")
    assert profile.to_toml() == ""


def test_only_what_is_given_differs() -> None:
    profile = ApiProfile.from_mapping({"lists": {"next": "meta.next"}})
    assert profile.lists.next == "meta.next"
    assert profile.lists.items == "data"
    assert profile.paths == ApiProfile().paths


def test_a_profile_is_frozen_and_pickles() -> None:
    profile = ApiProfile.from_mapping(SOME)
    assert pickle.loads(pickle.dumps(profile)) == profile
    assert {profile, ApiProfile.from_mapping(SOME)} == {profile}
    with pytest.raises(dataclasses.FrozenInstanceError):
        profile.paths.payments = "/other"  # type: ignore[misc]
    with pytest.raises(TypeError):
        profile.statuses["x"] = "failed"  # type: ignore[index]


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    profile = ApiProfile.from_mapping(SOME)
    assert profile.to_mapping() == SOME
    again = ApiProfile.load(written(tmp_path, profile.to_toml()))
    assert again == profile
    assert list(again.statuses) == list(profile.statuses)


def test_an_empty_file_with_a_byte_order_mark_is_the_default(tmp_path: Path) -> None:
    assert ApiProfile.load(written(tmp_path, b"\xef\xbb\xbf# nothing\r\n")) == ApiProfile()


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({"path": {}}, "path is no section of the API profile. Did you mean paths?"),
        ({"lists": {"nxt": ""}}, "lists.nxt is no key of the API profile. Did you mean next?"),
        ({"paths": {"payment": "/p"}}, "paths.payment is no key"),
        ({"paths": "/p"}, "[paths] must be a table of keys and values."),
        ({"statuses": ["paid"]}, "[statuses] must be a table of keys and values."),
        ({"statuses": {1: "failed"}}, "[statuses] must be a table of keys and values."),
        ({"statuses": {"paid": "payed"}}, 'statuses.paid must be one of ours: "requires_'),
        ({"statuses": {"pa id": "failed"}}, "statuses.pa id must be a word"),
        ({"events": {"charge.paid": "charge.paid"}}, "events.charge.paid must be one of ours"),
        ({"events": {"charge.paid": ["payment.completed"]}}, "events.charge.paid must be one of"),
        ({"lists": {"limit": 10}}, "lists.limit must be a parameter's name"),
        ({"lists": {"after": ""}}, "lists.after must be a parameter's name"),
        ({"lists": {"after": "a&b"}}, "lists.after must be a parameter's name"),
        ({"lists": {"items": "a..b"}}, "lists.items must be a key"),
        ({"fields": {"challenge_url": ""}}, "fields.challenge_url must be a key"),
        ({"headers": {"request_id": "X-Id"}}, "headers.request_id must be a list of headers'"),
        ({"headers": {"request_id": []}}, "headers.request_id must be a list of headers'"),
        ({"headers": {"replayed": "a b"}}, "headers.replayed must be a header's name"),
        ({"headers": {"idempotency_key": "authorization"}}, "headers.idempotency_key must be"),
        ({"headers": {"version": "idempotency-KEY"}}, "headers.version must be another header"),
        ({"idempotency": {"key_hours": True}}, "idempotency.key_hours must be a whole number"),
        ({"idempotency": {"key_hours": 0}}, "idempotency.key_hours must be a whole number"),
        ({"idempotency": {"reuse": "maybe"}}, 'idempotency.reuse must be "replay" or "conflict".'),
        ({"rate_limits": {"reset": "soon"}}, 'rate_limits.reset must be "auto", "epoch" or'),
        ({"webhooks": {"scheme": "hmac"}}, 'webhooks.scheme must be "timestamped", "body", "body-'),
        ({"webhooks": {"resigned_on_retry": 0}}, "webhooks.resigned_on_retry must be true or"),
        ({"webhooks": {"data": None}}, "webhooks.data must be a key"),
    ],
)
def test_what_is_wrong_is_named_with_what_is_allowed(mapping: Any, message: str) -> None:
    assert refusal(mapping).startswith(message)


@pytest.mark.parametrize(
    "path",
    [
        "https://evil.example/payments",
        "//evil.example/payments",
        "/../payments",
        "/a/./b",
        "/a//b",
        "payments",
        "/payments/",
        "/payments?key=1",
        "/payments#x",
        "/pay ments",
        "/%2e%2e/x",
        "/pay\\ments",
        "/payments\n",
        "",
        None,
        7,
    ],
)
@pytest.mark.parametrize("key", ["payments", "confirm"])
def test_a_path_can_not_leave_the_api(key: str, path: Any) -> None:
    value = f"{path}/{{id}}" if key == "confirm" and isinstance(path, str) and path else path
    assert refusal({"paths": {key: value}}).startswith(f"paths.{key} must be a path")


def test_the_path_of_confirming_holds_the_id_once() -> None:
    for path in ("/confirm", "/{id}/{id}", "/payments/{other}/confirm"):
        assert refusal({"paths": {"confirm": path}}).startswith("paths.confirm must be a path")


def test_two_resources_can_not_have_one_path() -> None:
    assert refusal({"paths": {"customers": "/payments"}}) == (
        "paths.customers must be another path than paths.payments."
    )


@pytest.mark.parametrize(
    ("content", "where"),
    [
        ("[paths]\npayments = /p\n", "at line 2, column 12"),
        ('[paths]\npayments = "/p', "at line 2, column 15"),
        ("[paths\n", "at line 1, column 7"),
        ('[paths]\npayments = "/a"\npayments = "/b"\n', "at line 3, column"),
        (b"[paths]\npay\xffments", "at line 2, column 4"),
    ],
)
def test_toml_that_is_wrong_is_shown_by_line_and_column(
    tmp_path: Path, content: str | bytes, where: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        ApiProfile.load(written(tmp_path, content))
    assert where in str(caught.value)
    assert "profile.toml" in str(caught.value)


def test_toml_that_would_exhaust_the_parser_is_refused(tmp_path: Path) -> None:
    for content in ("a = " + "[" * 100_000, "#" * 300_000):
        with pytest.raises(ConfigurationError, match=r"profile\.toml.*can't be used"):
            ApiProfile.load(written(tmp_path, content))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"nowhere\.toml.*No such file"):
        ApiProfile.load(tmp_path / "nowhere.toml")
    with pytest.raises(ConfigurationError, match="directory"):
        ApiProfile.load(tmp_path)


@pytest.mark.parametrize("value", ["", " ", 7, True, [], b"profile.toml"])
def test_a_profile_is_given_as_a_path_a_mapping_or_itself(value: object) -> None:
    with pytest.raises(ConfigurationError, match="must be the path of a TOML file, a mapping"):
        ApiProfile.of(value)


class TestWords:
    """Theirs = ours."""

    profile = ApiProfile.from_mapping(SOME)

    def test_theirs_become_ours_and_the_defaults_stay_understood(self) -> None:
        assert self.profile.status_of("paid") == "succeeded"
        assert [*map(self.profile.status_of, STATUSES)] == [*STATUSES]
        assert self.profile.event_type_of("charge.paid") == "payment.completed"
        assert [*map(self.profile.event_type_of, EVENT_TYPES)] == [*EVENT_TYPES]

    def test_an_unannounced_word_is_kept(self) -> None:
        assert self.profile.status_of("pending_review") == "pending_review"
        assert self.profile.status_of(None) is None
        assert self.profile.status_of(["x"]) == ["x"]
        assert self.profile.event_type_of("charge.held") == "charge.held"

    def test_the_first_in_the_file_is_the_one_that_is_emitted(self) -> None:
        assert self.profile.raw_status("succeeded") == "paid"
        assert self.profile.raw_status("failed") == "failed"
        assert self.profile.raw_event_type("payment.completed") == "charge.paid"

    def test_so_is_our_own_word_where_the_file_begins_with_it(self) -> None:
        words = {"succeeded": "succeeded", "paid": "succeeded"}
        profile = ApiProfile.from_mapping({"statuses": words})
        assert profile.raw_status("succeeded") == "succeeded"
        assert profile.to_mapping() == {"statuses": words}

    def test_a_word_of_ours_can_mean_another(self) -> None:
        profile = ApiProfile.from_mapping({"statuses": {"succeeded": "requires_capture"}})
        assert profile.status_of("succeeded") == "requires_capture"


class TestLists:
    """Where a page's objects are, and which page is the last."""

    def test_by_a_boolean(self) -> None:
        lists = ApiProfile().lists
        assert lists.items_of({"data": [1]}) == [1]
        assert not lists.is_last({"data": [1], "has_more": True}, asked=1)
        assert lists.is_last({"data": [1], "has_more": False}, asked=1)
        assert lists.cursor_of({"data": [1], "next": "x"}) is None

    def test_by_a_page_shorter_than_asked_where_nothing_tells(self) -> None:
        lists = ApiProfile.from_mapping({"lists": {"items": "", "has_more": ""}}).lists
        assert lists.items_of([1, 2]) == [1, 2]
        assert not lists.is_last([1, 2], asked=2)
        assert lists.is_last([1], asked=2)

    def test_an_empty_page_is_the_last(self) -> None:
        assert ApiProfile().lists.is_last({"data": [], "has_more": True}, asked=10)

    @pytest.mark.parametrize("nothing", [None, "", False, {}])
    def test_by_a_next_that_is_empty(self, nothing: object) -> None:
        lists = ApiProfile.from_mapping({"lists": {"next": "links.next"}}).lists
        assert lists.is_last({"data": [1], "links": {"next": nothing}}, asked=1)
        assert not lists.is_last({"data": [1], "links": {"next": "c1"}}, asked=1)
        assert lists.cursor_of({"data": [1], "links": {"next": "c1"}}) == "c1"
        assert lists.cursor_of({"links": {"next": 7}}) == "7"

    @pytest.mark.parametrize("answer", [[], {}, {"data": {}}, {"data": "x"}, None, "data"])
    def test_objects_that_are_not_where_they_should_be_are_none(self, answer: object) -> None:
        assert ApiProfile().lists.items_of(answer) is None


def test_a_place_is_found_or_none() -> None:
    payment = {"next_action": {"redirect_to_url": {"url": "https://bank.example"}}, "x": [1]}
    assert at(payment, ApiProfile().fields.challenge_url) == "https://bank.example"
    assert at(payment, "next_action.nothing.url") is None
    assert at(payment, "x.0") is None
    assert at([1], "") == [1]


def test_the_paths_of_payments_follow_the_profile() -> None:
    profile = ApiProfile.from_mapping(SOME)
    assert profile.payment_path() == "/v2/charges"
    assert profile.payment_path("pay_1") == "/v2/charges/pay_1"
    assert profile.payment_path("pay_1", "refund") == "/v2/charges/pay_1/refund"
    assert profile.payment_path("pay_1", "confirm") == "/v2/charges/pay_1/submit"


class TestStandardWebhooks:
    """Names that come with the scheme, unless the profile has its own."""

    def test_the_headers_are_the_specifications(self) -> None:
        profile = ApiProfile.from_mapping({"webhooks": {"scheme": "standard-webhooks"}})
        assert profile.headers.signature == "webhook-signature"
        assert profile.webhooks.id_header == "webhook-id"
        assert profile.webhooks.timestamp_header == "webhook-timestamp"
        assert profile.to_mapping() == {"webhooks": {"scheme": "standard-webhooks"}}

    def test_paysafers_own_header_can_be_kept(self) -> None:
        mapping = {
            "headers": {"signature": "PaySafer-Signature"},
            "webhooks": {"scheme": "standard-webhooks", "id_header": "PaySafer-Id"},
        }
        profile = ApiProfile.from_mapping(mapping)
        assert profile.headers.signature == "PaySafer-Signature"
        assert profile.webhooks.id_header == "PaySafer-Id"
        assert profile.to_mapping() == mapping

    def test_another_scheme_brings_its_own_names(self) -> None:
        standard = ApiProfile().with_scheme("standard-webhooks")
        assert standard.headers.signature == "webhook-signature"
        assert standard.with_scheme("timestamped") == ApiProfile()


def test_the_tolerance_covers_the_retries_where_they_are_not_signed_anew() -> None:
    assert ApiProfile().covering(300) == 300
    stale = ApiProfile.from_mapping({"webhooks": {"resigned_on_retry": False}})
    assert stale.covering(300) == 35 * 3600
    assert stale.covering(200_000) == 200_000


class TestSetting:
    """``PAYSAFER_API_PROFILE``."""

    def test_a_relative_path_begins_at_the_apps_root(self, tmp_path: Path) -> None:
        written(tmp_path, '[lists]\nnext = "meta.next"\n')
        settings = {"PAYSAFER_API_PROFILE": "profile.toml"}
        assert load_config(settings, {}, root=str(tmp_path)).profile.lists.next == "meta.next"
        assert load_config({}, settings, root=str(tmp_path)).profile.lists.next == "meta.next"

    def test_a_mapping_or_a_profile_is_taken_too(self) -> None:
        for value in (SOME, ApiProfile.from_mapping(SOME)):
            config = load_config({"PAYSAFER_API_PROFILE": value}, {})
            assert config.profile.paths.payments == "/v2/charges"

    def test_what_is_wrong_is_named_with_the_setting(self) -> None:
        with pytest.raises(ConfigurationError) as caught:
            load_config({"PAYSAFER_API_PROFILE": {"lists": {"limit": 1}}}, {})
        assert str(caught.value).startswith("PAYSAFER_API_PROFILE: lists.limit must be")

    def test_the_scheme_is_the_profiles_unless_its_own_setting_names_one(self) -> None:
        settings: dict[str, Any] = {"PAYSAFER_API_PROFILE": SOME}
        assert load_config(settings, {}).profile.webhooks.scheme == "body-base64"
        settings["PAYSAFER_SIGNATURE_SCHEME"] = "body"
        config = load_config(settings, {})
        assert config.signature_scheme == "body"
        assert config.profile.webhooks.scheme == "body-base64"

    def test_a_setting_beside_the_extensions_own_profile_is_refused(self) -> None:
        settings: dict[str, Any] = {"PAYSAFER_API_PROFILE": {}}
        with pytest.raises(ConfigurationError, match=r"PaySafer\(profile=…\) was given one too"):
            load_config(settings, {}, profile=ApiProfile())
