"""The table of answers, row by row, over the route."""

from __future__ import annotations

import gc
import io
import json
import weakref
from collections.abc import Iterable
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

import pytest
from flask import Flask, abort, redirect, request, request_started
from flask.typing import ResponseReturnValue
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.test import Client

from flask_paysafer.errors import InboxUnavailableError

from .door_app import OLD_SECRET, PATH, SECRET, Door, event_body, sign


@pytest.fixture
def door() -> Door:
    return Door()


def test_a_new_event_is_stored_then_handled(door: Door) -> None:
    response = door.deliver()
    assert (response.status_code, response.json) == (200, {"received": True})
    assert door.inbox.stored["evt_1"][0] == event_body()
    assert door.dispatcher.dispatched == ["evt_1"]


def test_an_event_that_is_done_runs_nothing(door: Door) -> None:
    door.deliver()
    door.inbox.settle("evt_1", "done")
    response = door.deliver()
    assert (response.status_code, response.json) == (200, {"received": True, "duplicate": True})
    assert door.dispatcher.dispatched == ["evt_1"]


def test_an_event_in_progress_elsewhere_is_asked_for_later(door: Door) -> None:
    door.dispatcher.result = "busy"
    response = door.deliver()
    assert response.status_code == 409
    assert int(response.headers["Retry-After"]) > 0


def test_with_celery_an_event_in_progress_is_taken() -> None:
    door = Door(DISPATCH="celery")
    door.dispatcher.result = "busy"
    response = door.deliver()
    assert (response.status_code, response.json) == (200, {"received": True})


def test_with_celery_a_queued_event_is_taken() -> None:
    door = Door(DISPATCH="celery")
    door.dispatcher.result = "queued"
    assert door.deliver().json == {"received": True}


def test_a_failed_handler_is_told_so_that_the_event_comes_again(door: Door) -> None:
    door.dispatcher.result = "failed"
    response = door.deliver()
    assert response.status_code == 500
    assert "received" not in (response.json or {})


def test_an_event_that_failed_before_is_dispatched_again(door: Door) -> None:
    door.deliver()
    door.inbox.settle("evt_1", "failed")
    assert door.deliver().json == {"received": True}
    assert door.dispatcher.dispatched == ["evt_1", "evt_1"]


NOT_AUTHENTIC = {
    "empty": {"signature": ""},
    "malformed": {"signature": "hello"},
    "stray byte": {"signature": "t=1,v1=\xe9"},
    "wrong secret": {"secret": "whsec_someoneElse0000"},
    "stale": {"age": 301},
    "from the future": {"age": -62},
    "too long": {"signature": "x=" + "a" * 4000},
    "two headers": {"signature": sign(event_body()) + "," + sign(event_body())},
}


@pytest.mark.parametrize("case", NOT_AUTHENTIC.values(), ids=NOT_AUTHENTIC)
def test_what_is_not_authentic_gets_one_answer_and_leaves_no_trace(
    door: Door, case: dict[str, Any]
) -> None:
    response = door.deliver(**case)
    assert (response.status_code, response.text) == (400, "Invalid signature")
    assert not door.touched


def test_a_missing_signature_gets_the_same_answer(door: Door) -> None:
    response = door.client.post(PATH, data=event_body(), content_type="application/json")
    assert (response.status_code, response.text) == (400, "Invalid signature")
    assert not door.touched


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"id":"evt_1"}',
        b"\xff\xfe",
        b"NaN",
        b"[" * 100_000,
        b'{"created":' + b"9" * 10_000 + b"}",
        event_body().replace(b'"pay_1"', b'"\\ud800"'),
        event_body().replace(b"{", b'{"id":"evt_2",', 1),
    ],
)
def test_authentic_bytes_that_are_no_event_are_set_aside(door: Door, body: bytes) -> None:
    response = door.deliver(body)
    assert (response.status_code, response.text) == (400, "Invalid payload")
    assert [kept for kept, _ in door.inbox.quarantined] == [body]
    assert not door.inbox.calls


def test_one_id_with_two_contents_is_taken_but_not_handled_once_it_is_done(door: Door) -> None:
    door.deliver()
    door.inbox.settle("evt_1", "done")
    response = door.deliver(event_body(kind="payment.failed"))
    assert (response.status_code, response.json) == (200, {"received": True, "quarantined": True})
    assert door.dispatcher.dispatched == ["evt_1"]


def test_other_content_has_a_stored_event_tried_again_that_is_not_done(door: Door) -> None:
    door.deliver()
    door.dispatcher.result = "failed"
    assert door.deliver(event_body(kind="payment.failed")).status_code == 500
    assert door.dispatcher.dispatched == ["evt_1", "evt_1"]


def test_an_event_nobody_wants_is_stored_as_ignored(door: Door) -> None:
    door.dispatcher.wanted = False
    response = door.deliver()
    assert (response.status_code, response.json) == (200, {"received": True, "ignored": True})
    assert door.inbox.calls[0]["ignored"] == "no handler"
    assert door.dispatcher.dispatched == []


@pytest.mark.parametrize(
    ("key", "livemode", "reason"),
    [
        ("sk_test_12345678", True, "live event, test key"),
        ("sk_live_12345678", False, "test event, live key"),
    ],
)
def test_an_event_of_the_other_mode_is_stored_as_ignored(
    key: str, livemode: bool, reason: str
) -> None:
    door = Door(SECRET_KEY=key)
    response = door.deliver(event_body(livemode=livemode))
    assert (response.status_code, response.json) == (200, {"received": True, "ignored": True})
    assert door.inbox.calls[0]["ignored"] == reason


def test_without_keys_no_mode_is_contradicted(door: Door) -> None:
    assert door.deliver(event_body(livemode=True)).json == {"received": True}


@pytest.mark.parametrize("body", [event_body(), b"no event"])
def test_with_the_database_down_the_event_is_asked_for_later(door: Door, body: bytes) -> None:
    door.inbox.error = InboxUnavailableError("database is locked")
    response = door.deliver(body)
    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) > 0
    assert door.dispatcher.dispatched == []


def test_with_the_database_lost_before_dispatch_the_event_is_asked_for_later(door: Door) -> None:
    door.dispatcher.error = InboxUnavailableError("database is gone")
    response = door.deliver()
    assert (response.status_code, "Retry-After" in response.headers) == (503, True)


LIMIT = 1000


@pytest.mark.parametrize("extra", [1, 2, 5000])
def test_a_body_over_the_limit_is_refused_unread(extra: int) -> None:
    door = Door(WEBHOOK_MAX_BYTES=LIMIT)
    assert door.deliver(b"x" * (LIMIT + extra)).status_code == 413
    assert not door.touched


@pytest.mark.parametrize("extra", [1, 2, 5000])
def test_a_chunked_body_over_the_limit_is_refused_and_not_cut(extra: int) -> None:
    door = Door(WEBHOOK_MAX_BYTES=LIMIT)
    body = b"x" * (LIMIT + extra)
    assert deliver_chunked(door, body, sign(body[:LIMIT])).status_code == 413
    assert not door.touched


def test_a_chunked_body_of_exactly_the_limit_is_taken() -> None:
    body = event_body().ljust(LIMIT)
    door = Door(WEBHOOK_MAX_BYTES=LIMIT)
    assert deliver_chunked(door, body, sign(body)).json == {"received": True}
    assert door.deliver(body).status_code == 200


def test_an_announced_length_over_the_limit_is_refused_though_the_body_is_chunked() -> None:
    door = Door(WEBHOOK_MAX_BYTES=LIMIT)
    headers = {"PaySafer-Signature": sign(event_body()), "Transfer-Encoding": "chunked"}
    answer = door.client.post(PATH, data=b"x" * (LIMIT + 1), headers=headers)
    assert answer.status_code == 413


def deliver_chunked(door: Door, body: bytes, signature: str) -> Any:
    return door.client.post(
        PATH,
        input_stream=io.BytesIO(body),
        headers={"PaySafer-Signature": signature, "Transfer-Encoding": "chunked"},
        content_type="application/json",
        environ_overrides={"wsgi.input_terminated": True},
    )


@pytest.mark.parametrize(
    "method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"]
)
@pytest.mark.parametrize("path", [PATH, PATH + "/"])
def test_any_other_method_is_refused(door: Door, method: str, path: str) -> None:
    response = door.client.open(path, method=method)
    assert response.status_code == 405
    assert "POST" in response.headers["Allow"]


@pytest.mark.parametrize(
    "content_type",
    [
        "application/x-www-form-urlencoded",
        "Application/X-WWW-Form-URLencoded; charset=utf-8",
        "multipart/form-data; boundary=x",
        "multipart/mixed",
    ],
)
def test_a_form_is_refused(door: Door, content_type: str) -> None:
    assert door.deliver(content_type=content_type).status_code == 415
    assert not door.touched


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "text/plain", ""])
def test_any_other_type_is_judged_by_its_signature(door: Door, content_type: str) -> None:
    assert door.deliver(content_type=content_type).status_code == 200


@pytest.mark.parametrize("encoding", ["gzip", "br", "identity", "x"])
def test_a_compressed_body_is_refused(door: Door, encoding: str) -> None:
    response = door.deliver(headers={"Content-Encoding": encoding})
    assert response.status_code == 415
    assert not door.touched


@pytest.mark.parametrize("path", [PATH, PATH + "/"])
def test_both_slash_forms_are_served_without_a_redirect(door: Door, path: str) -> None:
    assert door.deliver(path=path).status_code == 200


def test_without_a_secret_the_route_is_shut() -> None:
    door = Door(WEBHOOK_SECRET=None)
    response = door.deliver()
    assert (response.status_code, "Retry-After" in response.headers) == (503, True)
    assert not door.touched


@pytest.mark.parametrize("status", [200, 400, 405, 413, 503])
def test_no_answer_may_be_stored_or_guessed_at(status: int) -> None:
    door = Door(WEBHOOK_MAX_BYTES=LIMIT, WEBHOOK_SECRET=None if status == 503 else SECRET)
    method = "GET" if status == 405 else "POST"
    body = b"x" * (LIMIT + 1 if status == 413 else LIMIT)
    headers = {"PaySafer-Signature": sign(event_body())} if status == 200 else {}
    body = event_body() if status == 200 else body
    response = door.client.open(PATH, method=method, data=body, headers=headers)
    assert response.status_code == status
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "Set-Cookie" not in response.headers


def test_a_broken_stream_is_no_server_error(door: Door) -> None:
    class Broken(io.BytesIO):
        def readinto(self, buffer: Any) -> int:
            raise RuntimeError("invalid chunk size")

    response = door.client.post(
        PATH,
        input_stream=Broken(event_body()),
        headers={"PaySafer-Signature": sign(event_body()), "Transfer-Encoding": "chunked"},
        environ_overrides={"wsgi.input_terminated": True},
    )
    assert (response.status_code, response.text) == (400, "Invalid signature")


@pytest.mark.parametrize("terminated", [True, False])
def test_a_body_that_ends_too_early_is_not_taken(
    door: Door, caplog: pytest.LogCaptureFixture, terminated: bool
) -> None:
    """Whether the server says where the body ends, or leaves it to Werkzeug to see."""
    inner, body = door.app.wsgi_app, event_body()

    def server(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if terminated:
            environ["wsgi.input_terminated"] = True
        return inner(environ, start_response)

    door.app.wsgi_app = server  # type: ignore[method-assign]
    response = door.client.post(
        PATH,
        input_stream=io.BytesIO(body[:-5]),
        headers={"PaySafer-Signature": sign(body)},
        environ_overrides={"CONTENT_LENGTH": str(len(body))},
    )
    assert (response.status_code, response.text) == (400, "Invalid signature")
    assert not door.touched
    assert ("bytes arrived" if terminated else "ended before its announced length") in caplog.text


def test_a_middleware_that_takes_the_body_is_named_in_the_log(
    door: Door, caplog: pytest.LogCaptureFixture
) -> None:
    inner = door.app.wsgi_app

    def greedy(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        environ["wsgi.input"].read()
        return inner(environ, start_response)

    door.app.wsgi_app = greedy  # type: ignore[method-assign]
    assert door.deliver().text == "Invalid signature"
    assert "a middleware reads" in caplog.text


HOOKS = {
    "data": lambda: request.data,
    "json": lambda: request.get_json(silent=True),
    "form": lambda: request.form.get("csrf_token"),
    "values": lambda: request.values.get("x"),
    "stream": lambda: request.stream.read(),
    "uncached": lambda: request.get_data(cache=False),
}


@pytest.mark.parametrize("first", [True, False], ids=["hook first", "extension first"])
@pytest.mark.parametrize("hook", HOOKS.values(), ids=HOOKS)
def test_hooks_that_read_the_body_take_nothing_away(hook: Any, first: bool) -> None:
    app = Flask("shop", static_folder=None)
    app.config.update(MAX_CONTENT_LENGTH=10, MAX_FORM_MEMORY_SIZE=10)

    def read_and_pass() -> None:
        hook()

    if first:
        app.before_request(read_and_pass)
    door = Door(app)
    if not first:
        app.before_request(read_and_pass)
    assert door.deliver().json == {"received": True}


def test_works_where_the_signal_of_a_starting_request_is_muted(door: Door) -> None:
    with request_started.muted():
        assert door.deliver().json == {"received": True}
        assert door.deliver(signature="x").status_code == 400


def test_an_app_that_is_gone_leaves_nothing_behind() -> None:
    gone = weakref.ref(Door().app)
    gc.collect()
    assert gone() is None


def test_hooks_see_the_body_too() -> None:
    app, seen = Flask("shop"), []
    app.before_request(lambda: seen.append(request.get_json()))
    Door(app).deliver()
    assert seen == [json.loads(event_body())]


def test_error_pages_of_the_app_do_not_stand_before_the_answers() -> None:
    app = Flask("shop")
    for status in (400, 405, 413, 415, 503):
        app.register_error_handler(status, lambda error: ("<h1>Sorry</h1>", 200))
    door = Door(app, WEBHOOK_MAX_BYTES=LIMIT)
    assert door.deliver(signature="").status_code == 400
    assert door.client.get(PATH).status_code == 405
    assert door.deliver(b"x" * 2000).status_code == 413


def walled(status: int) -> Door:
    """A shop with a hook that stops every request, registered before the extension."""
    app = Flask("shop")
    app.register_error_handler(401, lambda error: redirect("/login"))

    @app.before_request
    def stop() -> ResponseReturnValue:
        if status == 401:
            abort(401)
        return redirect("/login") if status == 302 else ("stopped", status)

    return Door(app)


@pytest.mark.parametrize("status", [200, 302, 400, 401, 403])
def test_a_login_wall_stands_before_all_views_but_this_one(status: int) -> None:
    door = walled(status)
    assert door.deliver().json == {"received": True}
    assert door.dispatcher.dispatched == ["evt_1"]
    assert door.deliver(signature="").status_code == 400
    assert door.client.get(PATH).status_code == 405
    assert door.client.get("/account").status_code == {401: 302}.get(status, status)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_hook_that_says_not_now_is_heard_and_paysafer_comes_again(status: int) -> None:
    door = walled(status)
    assert door.deliver().status_code == status
    assert not door.touched


def test_works_below_an_application_root_and_behind_a_proxy() -> None:
    app = Flask("shop")
    app.config.update(APPLICATION_ROOT="/shop", PREFERRED_URL_SCHEME="https")
    door = Door(app)
    app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1, x_host=1, x_prefix=1)  # type: ignore[method-assign]
    mounted = Client(DispatcherMiddleware(Flask("other"), {"/shop": app}))
    headers = {"PaySafer-Signature": sign(event_body()), "X-Forwarded-Prefix": "/pay"}
    for path in ("/shop" + PATH, "/shop" + PATH + "/"):
        assert mounted.post(path, data=event_body(), headers=headers).status_code == 200
    assert door.dispatcher.dispatched == ["evt_1", "evt_1"]


def test_only_allowed_networks_reach_the_signature_check() -> None:
    door = Door(WEBHOOK_ALLOWED_NETWORKS="203.0.113.0/24")
    inside = {"REMOTE_ADDR": "203.0.113.7"}
    assert door.deliver(environ_overrides=inside).status_code == 200
    assert door.deliver(environ_overrides={"REMOTE_ADDR": "198.51.100.1"}).status_code == 403
    assert door.dispatcher.dispatched == ["evt_1"]


def test_a_forwarded_address_counts_only_where_the_app_trusts_its_proxy() -> None:
    door = Door(WEBHOOK_ALLOWED_NETWORKS="203.0.113.0/24")
    forwarded = {"X-Forwarded-For": "203.0.113.7"}
    assert door.deliver(headers=forwarded).status_code == 403
    door.app.wsgi_app = ProxyFix(door.app.wsgi_app, x_for=1)  # type: ignore[method-assign]
    assert door.deliver(headers=forwarded).status_code == 200


def test_two_accounts_have_doors_of_their_own() -> None:
    app = Flask("shop")
    first = Door(app)
    second = Door(app, name="paysafer_eu", WEBHOOK_SECRET=OLD_SECRET)
    assert first.deliver().status_code == 200
    assert second.deliver(secret=OLD_SECRET, path="/paysafer_eu/webhook").status_code == 200
    assert second.deliver(secret=SECRET, path="/paysafer_eu/webhook").status_code == 400
    assert (first.dispatcher.dispatched, second.dispatcher.dispatched) == (["evt_1"], ["evt_1"])
