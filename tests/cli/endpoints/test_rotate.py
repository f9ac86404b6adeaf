"""A rotation from its beginning to its end, interrupted anywhere."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from flask_paysafer import Webhook, signing
from flask_paysafer.cli.env_file import EnvFile
from flask_paysafer.cli.rotation import RETRIES, Rotation
from flask_paysafer.sandbox import Sandbox
from tests.cli.shop import SECRET, URL, KitShop
from tests.inbox.events import event_body

SETTING = "PAYSAFER_WEBHOOK_SECRET"


class Rotating:
    """A shop whose secret is in a file, with its endpoint."""

    def __init__(self, sandbox: Sandbox, folder: Path) -> None:
        self._sandbox, self._folder = sandbox, folder
        self.env_file = folder / ".env"
        self.env_file.write_text(f"DEBUG=1\n{SETTING}={SECRET}\n")
        self.shop = KitShop(sandbox, folder / "instance")
        created = self.shop.run("endpoints", "create", "--url", URL).output
        self.first_secret = created.partition(f"{SETTING}=")[2].split()[0]
        [self.old] = self.endpoints()

    def endpoints(self) -> list[dict[str, Any]]:
        return self._sandbox.objects("webhook_endpoint")

    def secrets(self) -> list[str]:
        return self.env_file.read_text().partition(f"{SETTING}=")[2].strip().split(",")

    def rotate(self) -> tuple[int, str]:
        result = self.shop.run(
            *("endpoints", "rotate", "--url", URL, "--wait", "0s"),
            *("--env-file", str(self.env_file)),
        )
        return result.exit_code, result.output

    def deliver_with_the_new_secret(self) -> None:
        """As the shop that was restarted receives it."""
        restarted = KitShop(
            self._sandbox, self._folder / "instance", PAYSAFER_WEBHOOK_SECRET=self.secrets()
        )
        body = event_body()
        response = restarted.app.test_client().post(
            "/paysafer/webhook",
            data=body,
            content_type="application/json",
            headers={"PaySafer-Signature": Webhook.sign(body, self.secrets()[0])},
        )
        assert response.status_code == 200

    def pass_time(self, span: timedelta) -> None:
        clock = self.shop.state.clock
        self.shop.state.clock = lambda: clock() + span


@pytest.fixture
def rotating(sandbox: Sandbox, tmp_path: Path) -> Rotating:
    return Rotating(sandbox, tmp_path)


def test_goes_from_beginning_to_end(rotating: Rotating) -> None:
    code, output = rotating.rotate()
    assert (code, len(rotating.endpoints())) == (3, 2)
    assert "No delivery was verified with the new secret" in output
    new, old = rotating.secrets()
    assert old == SECRET
    assert new not in output

    rotating.deliver_with_the_new_secret()
    code, output = rotating.rotate()
    [left] = rotating.endpoints()
    assert (code, left["id"] != rotating.old["id"]) == (3, True)
    assert f"Deleted {rotating.old['id']}." in output
    assert "signed with the old secret. Run this again after that." in output
    assert rotating.secrets() == [new, SECRET]

    rotating.pass_time(RETRIES)
    code, output = rotating.rotate()
    assert (code, rotating.secrets()) == (0, [new])
    assert "The rotation is over." in output
    assert rotating.env_file.read_text().startswith("DEBUG=1\n")


def test_a_lost_answer_makes_no_second_endpoint(rotating: Rotating, sandbox: Sandbox) -> None:
    sandbox.fault("lost-answer", method="POST", path="/v1/webhook-endpoints")
    code, _ = rotating.rotate()
    assert code == 1
    code, output = rotating.rotate()
    assert (code, len(rotating.endpoints())) == (3, 2)
    assert "Going on with the rotation" in output
    assert len(rotating.secrets()) == 2


STEPS = [(Rotation, "_wait_until_verified"), (Rotation, "_delete_old"), (EnvFile, "keep_only")]


@pytest.mark.parametrize(("owner", "step"), STEPS)
def test_goes_on_after_a_process_that_died(
    rotating: Rotating, monkeypatch: pytest.MonkeyPatch, owner: Any, step: str
) -> None:
    """It dies right after it has taken the step, before that is noted."""
    real = getattr(owner, step)

    def dies(self: Any, *arguments: Any, **options: Any) -> Any:
        with monkeypatch.context() as patch:
            patch.setattr(Rotation, "_save", lambda self: None)
            real(self, *arguments, **options)
        raise SystemExit(9)

    rotating.rotate()
    new = rotating.secrets()[0]
    rotating.deliver_with_the_new_secret()
    if owner is EnvFile:
        rotating.rotate()
        rotating.pass_time(RETRIES)
    monkeypatch.setattr(owner, step, dies)
    rotating.rotate()
    monkeypatch.setattr(owner, step, real)
    if rotating.rotate()[0] != 0:
        rotating.pass_time(RETRIES)
        rotating.rotate()
    assert rotating.secrets() == [new]
    assert len(rotating.endpoints()) == 1


def test_needs_an_endpoint(shop: KitShop) -> None:
    result = shop.run("endpoints", "rotate", "--url", URL)
    assert result.exit_code == 1
    assert "PaySafer has no webhook endpoint for" in result.output


def test_without_a_file_the_secret_is_shown_once(rotating: Rotating) -> None:
    result = rotating.shop.run("endpoints", "rotate", "--url", URL, "--wait", "0s")
    assert result.output.count(f"{SETTING}=whsec_") == 1
    assert "whsec_" not in rotating.shop.run("endpoints", "rotate", "--wait", "0s").output


def test_the_list_shows_when_and_which_fingerprint(rotating: Rotating) -> None:
    fingerprint = signing.fingerprint(rotating.first_secret)
    output = rotating.shop.run("endpoints", "list").output
    assert fingerprint in output
    assert " UTC  test  enabled" in output
    [entry] = rotating.shop.json("endpoints", "list")
    assert entry["fingerprint"] == fingerprint
