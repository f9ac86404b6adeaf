"""The probe, against sandboxes that play other PaySafers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from flask_paysafer import ApiProfile, PaySafer
from flask_paysafer.cli.probe import Pace, Probe, run_probe
from flask_paysafer.config import Config, load_config
from flask_paysafer.sandbox import Sandbox

from .profiles import PROFILES, UNSEEN

SETTINGS = {
    "PAYSAFER_SECRET_KEY": "sk_test_probe12345",
    "PAYSAFER_PUBLISHABLE_KEY": "pk_test_probe12345",
}


def settings(sandbox: Sandbox, **more: Any) -> Config:
    given = {f"PAYSAFER_{name}": value for name, value in more.items()}
    return load_config({**SETTINGS, "PAYSAFER_API_BASE": f"{sandbox.url}/v1", **given}, {})


def probe(sandbox: Sandbox, profile: ApiProfile | None = None) -> Probe:
    """Run a probe whose waits move the sandbox's clock."""
    pace = Pace(sleep=lambda seconds: _pass(sandbox, seconds))
    return run_probe(settings(sandbox, API_PROFILE=profile or ApiProfile()), pace)


def _pass(sandbox: Sandbox, seconds: float) -> None:
    sandbox.advance(seconds)


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as made, made.serve():
        yield made


def differing(found: Probe) -> dict[str, Any]:
    return {one.key: one.found for one in found.findings if one.verdict == "differs"}


def seen(mapping: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return what a profile changes and answers can show."""
    return {
        f"{section}.{key}": value
        for section, table in mapping.items()
        if section not in UNSEEN
        for key, value in table.items()
    }


def test_the_usual_account_is_all_as_assumed(sandbox: Sandbox) -> None:
    found = probe(sandbox)
    assert differing(found) == {}
    assert {str(key) for key in ApiProfile.keys()} <= {one.key for one in found.findings}  # noqa: SIM118
    untold = {one.key.partition(".")[0] for one in found.findings if one.verdict == "can't tell"}
    assert "paths" not in untold
    assert "lists" not in untold


@pytest.mark.parametrize("name", PROFILES)
def test_names_exactly_what_deviates_and_a_second_probe_finds_nothing(name: str) -> None:
    mapping = PROFILES[name]
    with Sandbox(profile=ApiProfile.from_mapping(mapping)) as sandbox, sandbox.serve():
        first = probe(sandbox)
        assert differing(first) == seen(mapping)
        second = probe(sandbox, first.account.profile)
        assert differing(second) == {}


def test_leaves_nothing_behind(sandbox: Sandbox) -> None:
    probe(sandbox)
    assert {row["status"] for row in sandbox.objects("payment")} <= {
        "succeeded",
        "canceled",
        "failed",
    }
    for row in sandbox.objects("payment"):
        assert row["metadata"] == {"paysafer_probe": "true"}
        if row["status"] == "succeeded":
            assert row["amount_refunded"] == row["amount"]
    assert sandbox.objects("customer") == []


def invoke(tmp_path: Path, sandbox_url: str, *arguments: str, **more: Any) -> Any:
    app = Flask(__name__, instance_path=str(tmp_path))
    app.config.update(SETTINGS, PAYSAFER_API_BASE=f"{sandbox_url}/v1")
    app.config.update({f"PAYSAFER_{name}": value for name, value in more.items()})
    PaySafer(app)
    return app.test_cli_runner().invoke(args=["paysafer", "probe", *arguments])


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nothing wait: the limit's window is not what these tests are about."""
    monkeypatch.setattr("flask_paysafer.cli.probe.SHARE", 50)
    monkeypatch.setattr("flask_paysafer.cli.probe.Pace.pause", lambda self, seconds: None)


@pytest.mark.usefixtures("quick")
class TestCommand:
    """``flask paysafer probe``."""

    def test_writes_the_profile_that_fits(self, tmp_path: Path) -> None:
        mapping = PROFILES["mixed two"]
        target = tmp_path / "profile.toml"
        with Sandbox(profile=ApiProfile.from_mapping(mapping)) as sandbox, sandbox.serve():
            assert sandbox.url is not None
            result = invoke(tmp_path, sandbox.url, "--yes", "--write", str(target))
            assert result.exit_code == 3, result.output
            assert "PAYSAFER_API_PROFILE" in result.output
            assert seen(ApiProfile.load(target).to_mapping()) == seen(mapping)
            again = invoke(tmp_path, sandbox.url, "--yes", API_PROFILE=str(target))
            assert again.exit_code == 0, again.output

    def test_json_holds_no_key(self, tmp_path: Path, sandbox: Sandbox) -> None:
        assert sandbox.url is not None
        result = invoke(tmp_path, sandbox.url, "--yes", "--json", "--only", "lists")
        report = json.loads(result.stdout)
        assert {one["key"].partition(".")[0] for one in report["findings"]} == {"lists"}
        assert set(report["findings"][0]) == {"key", "verdict", "assumed", "found", "reason"}
        assert report["profile"] == {}
        assert "_test_" not in result.output
        assert "4242" not in result.output

    def test_asks_before_it_starts(self, tmp_path: Path, sandbox: Sandbox) -> None:
        assert sandbox.url is not None
        assert invoke(tmp_path, sandbox.url).exit_code == 1
        assert sandbox.objects("payment") == []

    def test_refuses_a_live_key(self, tmp_path: Path, sandbox: Sandbox) -> None:
        assert sandbox.url is not None
        keys = {"SECRET_KEY": "sk_live_probe12345", "PUBLISHABLE_KEY": None}
        result = invoke(tmp_path, sandbox.url, "--yes", **keys)
        assert result.exit_code == 1
        assert "is a live key" in result.output
        assert sandbox.requests() == []

    def test_an_unknown_key_is_named(self, tmp_path: Path, sandbox: Sandbox) -> None:
        assert sandbox.url is not None
        result = invoke(tmp_path, sandbox.url, "--yes", "--only", "listen.next")
        assert result.exit_code == 1
        assert "--only listen.next" in result.output

    def test_an_account_that_fails_can_not_be_probed(
        self, tmp_path: Path, sandbox: Sandbox
    ) -> None:
        assert sandbox.url is not None
        result = invoke(tmp_path, f"{sandbox.url}/dashboard", "--yes")
        assert result.exit_code == 1
        assert "Error" in result.output


def test_cleans_up_after_an_interruption(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(self: Probe) -> None:
        raise KeyboardInterrupt

    steps = (Probe.reach, Probe.keys, Probe.captures, interrupted)
    monkeypatch.setattr("flask_paysafer.cli.probe.STEPS", steps)
    with pytest.raises(KeyboardInterrupt):
        probe(sandbox)
    for row in sandbox.objects("payment"):
        assert row["status"] == "canceled" or row["amount_refunded"] == row["amount"]


def test_keeps_to_a_fifth_of_the_rate_limit() -> None:
    waited: list[float] = []
    pace = Pace(sleep=waited.append, clock=lambda: 0.0)
    pace.note("100")
    for _ in range(21):
        pace.wait()
    assert waited == [60.0]
    pace.note("10")
    pace.wait()
    assert len(waited) == 2
