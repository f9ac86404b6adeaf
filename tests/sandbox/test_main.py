"""The sandbox as a process: started, told to end, and killed."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from flask_paysafer.sandbox.__main__ import main
from flask_paysafer.sandbox.description import describe

from .conftest import pay

pytestmark = pytest.mark.slow

SECONDS = 20


class Started:
    """A sandbox in a process of its own."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.said = ""
        assert process.stdout is not None
        while "Ctrl-C" not in self.said:
            line = process.stdout.readline()
            assert line, "it ended before it answered"
            self.said += line
        self.settings = dict(re.findall(r"^  (PAYSAFER_\w+)=(.+)$", self.said, re.MULTILINE))
        self.client = httpx.Client(
            base_url=self.settings["PAYSAFER_API_BASE"],
            headers={"Authorization": f"Bearer {self.settings['PAYSAFER_SECRET_KEY']}"},
        )

    def end(self, how: signal.Signals) -> int:
        self.process.send_signal(how)
        return self.process.wait(SECONDS)


@contextmanager
def start(*options: str) -> Iterator[Started]:
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "flask_paysafer.sandbox", "--port", "0", *options],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as process:
        started = None
        try:
            started = Started(process)
            yield started
        finally:
            process.kill()
            if started is not None:
                started.client.close()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_ends_cleanly_and_loses_nothing(tmp_path: Path, how: signal.Signals) -> None:
    db = ("--db", str(tmp_path / "sandbox.db"))
    with start(*db) as sandbox:
        payment = pay(sandbox.client).json()
        assert sandbox.end(how) == 0
    with start(*db) as sandbox:
        assert sandbox.client.get(f"/payments/{payment['id']}").json() == payment
        assert sandbox.end(signal.SIGTERM) == 0


def test_killed_sandbox_has_kept_every_answer(tmp_path: Path) -> None:
    db = ("--db", str(tmp_path / "sandbox.db"), "--clock-rate", "0")
    headers = {"Idempotency-Key": "order_1"}
    order = {"amount": 100, "currency": "aed", "payment_method": "pm_card_visa"}
    with start(*db) as sandbox:
        control = str(sandbox.client.base_url.join("/_sandbox/clock/advance"))
        now = sandbox.client.post(control, json={"seconds": 3600}).json()["now"]
        first = sandbox.client.post("/payments", json=order, headers=headers)
        sandbox.end(signal.SIGKILL)
    with start(*db) as sandbox:
        again = sandbox.client.post("/payments", json=order, headers=headers)
        assert (again.text, again.headers["Idempotent-Replayed"]) == (first.text, "true")
        clock = sandbox.client.get(str(sandbox.client.base_url.join("/_sandbox/clock"))).json()
        assert clock == {"now": now, "rate": 0}


def test_kept_database_keeps_the_webhook_and_its_secret(tmp_path: Path) -> None:
    options = ("--db", str(tmp_path / "sandbox.db"), "--webhook", "http://127.0.0.1:5000/hook")
    secrets = []
    for _ in range(2):
        with start(*options) as sandbox:
            secrets.append(sandbox.settings["PAYSAFER_WEBHOOK_SECRET"])
            assert len(sandbox.client.get("/webhook-endpoints").json()["data"]) == 1
            sandbox.end(signal.SIGKILL)
    assert secrets[0] == secrets[1]


def test_options_are_heeded() -> None:
    options = ("--strict", "--idempotency", "strict", "--clock-rate", "0", "--sign-with", "wall")
    with start(*options, "--webhook", "http://127.0.0.1:5000/paysafer/webhook") as sandbox:
        settings = sandbox.client.get(str(sandbox.client.base_url.join("/_sandbox/settings")))
        assert settings.json() == {
            "idempotency": "strict",
            "strict": True,
            "clock_rate": 0,
            "sign_with": "wall",
        }
        assert sandbox.settings["PAYSAFER_WEBHOOK_SECRET"].startswith("whsec_")
        assert len(sandbox.client.get("/webhook-endpoints").json()["data"]) == 1
        sandbox.end(signal.SIGTERM)


def test_settings_are_written_to_the_env_file(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("SECRET_KEY=mine\nPAYSAFER_API_BASE=old\n")
    hook = ("--webhook", "http://127.0.0.1:5000/paysafer/webhook")
    with start("--env-file", str(file), "--allow-host", "paysafer", *hook) as sandbox:
        given = dict(line.split("=", 1) for line in file.read_text().splitlines())
        assert given == {"SECRET_KEY": "mine", **sandbox.settings}
        assert f"written to {file}" in sandbox.said
        answer = sandbox.client.get("/payments", headers={"Host": "paysafer:4242"})
        assert answer.status_code == 200
        sandbox.end(signal.SIGTERM)


def test_taken_port_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with start() as sandbox:
        port = sandbox.client.base_url.port
        assert main(["--port", str(port)]) == 1
    assert capsys.readouterr().err == (
        f"The sandbox can't start: port {port} is taken, perhaps by another sandbox. "
        "Choose one with --port; --port 0 takes a free one.\n"
    )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--webhook", "https://shop.example/"], "--allow-remote-webhooks"),
        (["--db", "/nowhere/at/all.db"], "--db"),
        (["--env-file", "/nowhere/at/all.env"], "/nowhere/at"),
    ],
)
def test_start_that_fails_names_the_cure(
    capsys: pytest.CaptureFixture[str], options: list[str], said: str
) -> None:
    assert main(["--port", "0", *options]) == 1
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    "options",
    [
        ["--clock-rate", "-1"],
        ["--idempotency", "loose"],
        ["--port", "65536"],
        ["--port", "-1"],
        ["--port", "http"],
    ],
)
def test_wrong_option_is_refused(capsys: pytest.CaptureFixture[str], options: list[str]) -> None:
    with pytest.raises(SystemExit):
        main(options)
    assert options[0] in capsys.readouterr().err


def test_description_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--describe"]) == 0
    assert json.loads(capsys.readouterr().out) == describe()
