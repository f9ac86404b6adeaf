"""Each of these mistakes is named by the doctor, with its cure."""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.fernet import Fernet
from flask import Flask
from flask.cli import ScriptInfo
from flask_sqlalchemy import SQLAlchemy
from werkzeug.utils import redirect
from werkzeug.wrappers import Response

from flask_paysafer import CheckoutOrder, Money, PaySafer
from flask_paysafer.cli import paysafer_cli
from flask_paysafer.cli.doctor.api import check_api
from flask_paysafer.cli.doctor.celery import _sweeping
from flask_paysafer.cli.doctor.checking import CheckContext
from flask_paysafer.sandbox import Sandbox
from flask_paysafer.state import get_state, states
from tests.cli.exam.shops import stand_before
from tests.cli.shop import SECRET, URL

Change = Callable[[Flask, PaySafer], object]

GOOD: dict[str, Any] = {
    "SECRET_KEY": "a long random value of the tests",
    "PAYSAFER_SECRET_KEY": "sk_test_kitshop12",
    "PAYSAFER_PUBLISHABLE_KEY": "pk_test_kitshop12",
    "PAYSAFER_WEBHOOK_SECRET": SECRET,
    "PAYSAFER_MAX_RETRIES": 0,
}


def _order(reference: str) -> CheckoutOrder:
    return CheckoutOrder(reference=reference, amount=Money(15000, "aed"), success_url="/")


@dataclass
class Case:
    """A mistake, and what the doctor has to say of it."""

    name: str
    what: str
    hint: str
    settings: dict[str, Any] = field(default_factory=dict)
    change: Change | None = None
    registered: dict[str, Any] | None = field(default_factory=dict)
    level: str = "error"
    arguments: tuple[str, ...] = ()


def _redirect_to_https(app: Flask, _: PaySafer) -> None:
    stand_before(app, lambda request: redirect(request.url.replace("http://", "https://"), 301))


def _require_login(app: Flask, _: PaySafer) -> None:
    stand_before(app, lambda request: Response("Log in first", 401))


def _own_csrf(app: Flask, _: PaySafer) -> None:
    stand_before(app, lambda request: Response("CSRF token missing", 400))


def _lead_elsewhere(app: Flask, _: PaySafer) -> None:
    stand_before(app, lambda request: Response("Not here", 404))


def _hook_that_fails(app: Flask, _: PaySafer) -> None:
    @app.before_request
    def fails() -> None:
        raise RuntimeError("no tenant")


def _policy(app: Flask, _: PaySafer) -> None:
    @app.after_request
    def talisman(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = "default-src 'self'"
        return response


def _closed_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}/v1"


class _CeleryWithoutBroker:
    """Enough of a Celery for the check: settings, and a broker that is not there."""

    class conf:  # noqa: N801 (Celery's own name for it)
        task_always_eager = False
        beat_schedule: dict[str, object] = {}  # noqa: RUF012 (as Celery has it)

    def connection_for_write(self, **_: Any) -> Any:
        raise OSError("connection refused")


def _celery_without_broker(app: Flask, _: PaySafer) -> None:
    app.extensions["celery"] = _CeleryWithoutBroker()


CASES = [
    # Refused at start: the app does not load, and the doctor says why.
    Case(
        "publishable key as secret key",
        "PAYSAFER_SECRET_KEY holds a publishable key",
        "The secret key stays on the server",
        {"PAYSAFER_SECRET_KEY": "pk_test_kitshop12"},
    ),
    Case(
        "secret key as publishable key",
        "PAYSAFER_PUBLISHABLE_KEY holds a secret key",
        "the publishable key goes to the browser",
        {"PAYSAFER_PUBLISHABLE_KEY": "sk_test_kitshop12"},
    ),
    Case(
        "test and live keys mixed",
        "PAYSAFER_SECRET_KEY and PAYSAFER_PUBLISHABLE_KEY are of different modes",
        "Set both from the same mode",
        {"PAYSAFER_PUBLISHABLE_KEY": "pk_live_kitshop12"},
    ),
    Case(
        "live key in tests",
        "PAYSAFER_SECRET_KEY is a live key while TESTING is on",
        "Use a test key",
        {
            "TESTING": True,
            "PAYSAFER_SECRET_KEY": "sk_live_kitshop12",
            "PAYSAFER_PUBLISHABLE_KEY": "pk_live_kitshop12",
        },
    ),
    Case(
        "readable connection",
        "PAYSAFER_API_BASE uses http:// to a host that is not this machine",
        "Use https://",
        {"PAYSAFER_API_BASE": "http://api.paysafer.me/v1"},
    ),
    Case(
        "webhook secret that is none",
        "PAYSAFER_WEBHOOK_SECRET can't be used: it does not start with whsec_",
        "Copy the signing secret (whsec_…)",
        {"PAYSAFER_WEBHOOK_SECRET": "sk_test_kitshop12"},
    ),
    Case(
        "inbox in two places",
        "PAYSAFER_INBOX_URL is set",
        "Remove one of them",
        {"PAYSAFER_INBOX_URL": "sqlite:///inbox.sqlite"},
        change=lambda app, _: PaySafer(db=SQLAlchemy()).init_app(app),
    ),
    Case(
        "extension not joined", "This app has no PaySafer extension", "Call paysafer.init_app(app)"
    ),
    # Accepted at start, and wrong.
    Case(
        "no secret key",
        "PAYSAFER_SECRET_KEY is not set.",
        "Copy sk_test_…",
        {"PAYSAFER_SECRET_KEY": None},
    ),
    Case(
        "no publishable key",
        "PAYSAFER_PUBLISHABLE_KEY is not set.",
        "Copy pk_…",
        {"PAYSAFER_PUBLISHABLE_KEY": None},
    ),
    Case(
        "no webhook secret",
        "PAYSAFER_WEBHOOK_SECRET is not set.",
        "Run `flask paysafer endpoints create`",
        {"PAYSAFER_WEBHOOK_SECRET": None},
    ),
    Case(
        "example secret",
        "PAYSAFER_WEBHOOK_SECRET holds an example value.",
        "Replace it with your own",
        {"PAYSAFER_WEBHOOK_SECRET": "whsec_your_secret_here"},
        level="warning",  # with test keys no money is behind it
    ),
    Case(
        "tolerance of zero",
        "PAYSAFER_WEBHOOK_TOLERANCE is 0 seconds.",
        "its default is 300",
        {"PAYSAFER_WEBHOOK_TOLERANCE": 0},
        level="warning",
    ),
    Case(
        "tolerance of a day",
        "PAYSAFER_WEBHOOK_TOLERANCE is 86400 seconds.",
        "its default is 300",
        {"PAYSAFER_WEBHOOK_TOLERANCE": 86400},
        level="warning",
    ),
    Case(
        "live keys at the local PaySafer",
        "The keys are live and PAYSAFER_API_BASE is the local PaySafer.",
        "Remove PAYSAFER_API_BASE",
        {
            "PAYSAFER_SECRET_KEY": "sk_live_kitshop12",
            "PAYSAFER_PUBLISHABLE_KEY": "pk_live_kitshop12",
        },
    ),
    Case(
        "API not reached",
        "can't be reached",
        "Start it with `paysafer-sandbox`",
        {"PAYSAFER_API_BASE": _closed_port()},
    ),
    Case(
        "key refused",
        "PaySafer refuses the key in PAYSAFER_SECRET_KEY.",
        "copy a fresh one from the Dashboard",
        {"PAYSAFER_SECRET_KEY": "sk_test_short", "PAYSAFER_PUBLISHABLE_KEY": None},
    ),
    Case(
        "wrong API base",
        "answers with an error",
        "Check that PAYSAFER_API_BASE ends in /v1",
        {"PAYSAFER_API_BASE": "{origin}/v2"},
    ),
    Case(
        "endpoint not registered",
        "PaySafer has no webhook endpoint for",
        "Run `flask paysafer endpoints create --url",
        registered=None,
    ),
    Case(
        "endpoint without the handled type",
        "does not get payment.completed.",
        "Enable these types in the Dashboard",
        registered={"enabled_events": ["customer.created"]},
    ),
    Case(
        "redirect to https",
        "The webhook /paysafer/webhook redirects (301)",
        "Register the address that it leads to",
        change=_redirect_to_https,
    ),
    Case(
        "login required",
        "The webhook /paysafer/webhook is refused (401)",
        "Let what stands before the app pass",
        change=_require_login,
    ),
    Case(
        "foreign CSRF protection",
        "The webhook /paysafer/webhook is refused (400) by a CSRF protection.",
        "Exempt the webhook's address from it",
        change=_own_csrf,
    ),
    Case(
        "hook that fails",
        "The webhook /paysafer/webhook answers 500.",
        "See the app's log",
        change=_hook_that_fails,
    ),
    Case(
        "host that does not match",
        "The webhook /paysafer/webhook leads elsewhere (404).",
        "See `flask routes`",
        change=_lead_elsewhere,
    ),
    Case(
        "inbox not reached",
        "The inbox's database can't be used",
        "that PAYSAFER_INBOX_URL is right",
        {"PAYSAFER_INBOX_URL": "postgresql+psycopg://shop:Passw0rd@127.0.0.1:1/shop"},
    ),
    Case(
        "inbox in memory",
        "The inbox is in memory.",
        "Use a file or a server",
        {"PAYSAFER_INBOX_URL": "sqlite://"},
    ),
    Case(
        "no handler",
        "No handler is registered for any event.",
        '@paysafer.on("payment.completed")',
        change=lambda _, paysafer: paysafer._registrations.handlers._handlers.clear(),
        level="warning",
    ),
    Case(
        "handler for a type that does not exist",
        "is for payment.complete, which PaySafer does not document.",
        "The documented types are",
        change=lambda _, paysafer: paysafer.on("payment.complete", unknown_ok=True, name="odd")(
            print
        ),
        level="warning",
    ),
    Case(
        "Celery not set",
        'PAYSAFER_DISPATCH is "celery", and app.extensions["celery"] is not set.',
        "as Flask's page on Celery shows",
        {"PAYSAFER_DISPATCH": "celery"},
    ),
    Case(
        "broker not reached",
        "Celery's broker can't be reached",
        "that broker_url is right",
        {"PAYSAFER_DISPATCH": "celery"},
        change=_celery_without_broker,
    ),
    Case(
        "policy without the API",
        "The app's Content-Security-Policy forbids http://127.0.0.1:",
        "to connect-src for the checkout's pages",
        change=_policy,
    ),
    Case(
        "no SECRET_KEY",
        "The app has no SECRET_KEY.",
        "Set SECRET_KEY to a long random value",
        {"SECRET_KEY": None},
    ),
    Case(
        "setting misspelt",
        "PAYSAFER_WEBHOOK_TOLERANCES is set, and there is no such setting.",
        "If PAYSAFER_WEBHOOK_TOLERANCE is meant, rename it",
        {"PAYSAFER_WEBHOOK_TOLERANCES": 60},
        level="warning",
    ),
    Case(
        "setting that comes too late",
        "PAYSAFER_WEBHOOK_TOLERANCE was changed after the extension had read it.",
        "Set it before paysafer.init_app(app)",
        change=lambda app, _: app.config.update(PAYSAFER_WEBHOOK_TOLERANCE=200),
        level="warning",
    ),
    Case(
        "deadline beyond the server's",
        "PAYSAFER_DEADLINE is 120 seconds.",
        "less than the server's own limit",
        {"PAYSAFER_DEADLINE": 120},
        level="warning",
    ),
    Case(
        "deliveries cut short",
        "PAYSAFER_WEBHOOK_MAX_BYTES is 1000 bytes.",
        "its default is 262144",
        {"PAYSAFER_WEBHOOK_MAX_BYTES": 1000},
        level="warning",
    ),
    Case(
        "another page at the webhook's address",
        "The webhook /paysafer/webhook leads elsewhere (200).",
        "a middleware takes the same address",
        change=lambda app, _: stand_before(app, lambda request: Response("Welcome")),
    ),
    Case(
        "driver not installed",
        "PAYSAFER_INBOX_URL names a database whose driver is not installed",
        "Begin it with postgresql+psycopg://",
        {"PAYSAFER_INBOX_URL": "mysql+nobodys://shop:Passw0rd@127.0.0.1/shop"},
    ),
    Case(
        "no ProxyFix on a public site",
        "The site is public, and the app does not heed forwarded headers.",
        "app.wsgi_app = ProxyFix(app.wsgi_app",
        {"SERVER_NAME": "shop.example", "PREFERRED_URL_SCHEME": "https"},
        level="warning",
        arguments=("--offline",),
    ),
    Case(
        "allowed networks without ProxyFix",
        "PAYSAFER_WEBHOOK_ALLOWED_NETWORKS is set, and forwarded headers are not heeded.",
        "app.wsgi_app = ProxyFix(app.wsgi_app",
        {
            "SERVER_NAME": "shop.example",
            "PREFERRED_URL_SCHEME": "https",
            "PAYSAFER_WEBHOOK_ALLOWED_NETWORKS": "203.0.113.0/24",
        },
        arguments=("--offline",),
    ),
]


def examine(case: Case, sandbox: Sandbox, folder: Path) -> dict[str, Any]:
    """Run the doctor as the ``flask`` command runs it, on an app with the mistake."""
    import json

    from click.testing import CliRunner

    sandbox.reset()
    made: list[Flask] = []

    def create_app() -> Flask:
        made.append(_make_app(case, sandbox, folder))
        return made[0]

    info = ScriptInfo(create_app=create_app)
    result = CliRunner().invoke(paysafer_cli, ["doctor", "--json", *case.arguments], obj=info)
    for state in (state for app in made for state in states(app).values()):
        if state.config.secret_key:
            state.client.close()
    report: dict[str, Any] = json.loads(result.stdout)
    report["exit_code"] = result.exit_code
    report["text"] = result.stdout
    return report


def _make_app(case: Case, sandbox: Sandbox, folder: Path) -> Flask:
    app = Flask("shop", instance_path=str(folder))
    app.config.from_mapping(GOOD | {"PAYSAFER_API_BASE": f"{sandbox.url}/v1"})
    origin = sandbox.url or ""
    for name, value in case.settings.items():
        app.config[name] = value.format(origin=origin) if isinstance(value, str) else value
    paysafer = PaySafer()
    paysafer.on("payment.completed", name="fulfil")(print)
    paysafer.order_loader(_order)
    if case.name == "extension not joined":
        return app
    if case.name == "inbox in two places":
        assert case.change is not None
        case.change(app, paysafer)
    paysafer.init_app(app)
    if case.change is not None:
        case.change(app, paysafer)
    if case.registered is not None:
        _register(sandbox, case.registered)
    return app


def _register(sandbox: Sandbox, fields: dict[str, Any]) -> None:
    for key in ("sk_test_kitshop12", "sk_live_kitshop12"):
        headers = {"Authorization": f"Bearer {key}"}
        body = {"url": URL, **fields}
        httpx.post(f"{sandbox.url}/v1/webhook-endpoints", json=body, headers=headers)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace(" ", "-"))
def test_names_the_mistake_and_its_cure(case: Case, served: Sandbox, folder: Path) -> None:
    report = examine(case, served, folder)

    named = [finding for finding in report["findings"] if case.what in finding["what"]]
    assert len(named) == 1, report["text"]
    assert case.hint in named[0]["hint"]
    assert named[0]["level"] == case.level
    assert named[0]["reason"]
    assert report["healthy"] is (report["counts"]["error"] == 0)
    assert report["exit_code"] == (0 if report["healthy"] else 1)
    for secret in ("kitshop12", "your_secret", "Passw0rd", SECRET, "long random value of the"):
        assert secret not in report["text"]


def test_finds_nothing_wrong_where_nothing_is(served: Sandbox, folder: Path) -> None:
    report = examine(Case("healthy", "", ""), served, folder)

    assert report["counts"]["error"] == report["counts"]["warning"] == 0, report["text"]
    assert report["exit_code"] == 0


def test_names_debug_mode_with_live_keys(
    served: Sandbox, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLASK_DEBUG", "1")
    keys = {"PAYSAFER_SECRET_KEY": "sk_live_kitshop12", "PAYSAFER_PUBLISHABLE_KEY": None}

    report = examine(Case("debug", "", "", keys), served, folder)

    assert "The app is in debug mode with live keys." in report["text"]
    assert "Run it without --debug" in report["text"]


def test_names_a_variable_that_the_app_does_not_read(
    served: Sandbox, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLASK_PAYSAFER_TIMEOUT", "5")

    report = examine(Case("unread", "", ""), served, folder)

    assert "FLASK_PAYSAFER_TIMEOUT is in the environment" in report["text"]
    assert "Call app.config.from_prefixed_env()" in report["text"]


def test_takes_no_other_accounts_settings_for_misspelt_ones(
    served: Sandbox, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PAYSAFER_EU_SECRET_KEY", "sk_test_elsewhere1")
    monkeypatch.setenv("PAYSAFER_OFFICE_HOURS", "9 to 5")

    report = examine(Case("another account", "", ""), served, folder)

    assert report["counts"]["warning"] == 0, report["text"]


def test_names_a_clock_that_is_wrong(served: Sandbox, folder: Path) -> None:
    app = _make_app(Case("clock", "", ""), served, folder)
    now = served.clock()["now"]

    for offset, expected in ((-90, "error"), (400, "error"), (30, "warning"), (0, "ok")):
        context = CheckContext(get_state(app), wall=lambda moved=offset: now + moved)  # type: ignore[misc]
        with app.app_context():
            findings = list(check_api(context))
        assert findings[-1].level == expected, findings
        assert "clock" in findings[-1].what
    get_state(app).client.close()


def test_takes_parts_of_a_second_for_no_wrong_clock(served: Sandbox, folder: Path) -> None:
    case = Case("no tolerance", "", "", {"PAYSAFER_WEBHOOK_TOLERANCE": 0})
    app = _make_app(case, served, folder)
    context = CheckContext(get_state(app), wall=lambda: served.clock()["now"] + 0.4)
    with app.app_context():
        assert [finding.level for finding in check_api(context)] == ["ok", "ok"]
    get_state(app).client.close()


class _Workers:
    """Enough of a Celery to ask its workers how they are."""

    def __init__(self, uptime: int, sweeps: int) -> None:
        self._stats = {"worker": {"uptime": uptime, "total": {"flask_paysafer.sweep": sweeps}}}
        self.control = self

    def inspect(self, **_: Any) -> _Workers:
        return self

    def stats(self) -> dict[str, Any]:
        return self._stats


@pytest.mark.parametrize(
    ("uptime", "sweeps", "level", "what"),
    [
        (4000, 0, "error", "The workers have been up for 4000 s, and no sweep has come by."),
        (4000, 2, "ok", "Sweeps come in"),
        (5, 0, "note", "The workers have just started"),
    ],
)
def test_names_a_beat_that_is_not_there(
    served: Sandbox, folder: Path, uptime: int, sweeps: int, level: str, what: str
) -> None:
    app = _make_app(Case("beat", "", ""), served, folder)
    with app.app_context():
        found = list(_sweeping(CheckContext(get_state(app)), _Workers(uptime, sweeps)))
    assert [finding.level for finding in found] == [level]
    assert found[0].what.startswith(what)
    get_state(app).client.close()


def test_names_payloads_that_can_not_be_decrypted(served: Sandbox, folder: Path) -> None:
    from flask_paysafer.events import Event
    from tests.inbox.events import event_body

    first = Case("first", "", "", {"PAYSAFER_INBOX_ENCRYPTION_KEY": Fernet.generate_key().decode()})
    body = event_body("evt_1")
    get_state(_make_app(first, served, folder)).inbox.record(
        Event.from_json(body), body, verified_with=None
    )
    second = Case(
        "other", "", "", {"PAYSAFER_INBOX_ENCRYPTION_KEY": Fernet.generate_key().decode()}
    )

    report = examine(second, served, folder)

    assert "Stored payloads can't be decrypted" in report["text"]
    assert "Put the earlier key behind the present one" in report["text"]


def test_an_app_whose_own_code_fails_is_a_finding(served: Sandbox, folder: Path) -> None:
    from click.testing import CliRunner

    def create_app() -> Flask:
        raise RuntimeError("no database for admin@shop.example")

    result = CliRunner().invoke(paysafer_cli, ["doctor"], obj=ScriptInfo(create_app=create_app))

    assert result.exit_code == 1
    assert "The app can't be loaded: RuntimeError: no database for [e-mail]" in result.output
