"""The two commands of the README's first line, as processes of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

pytestmark = pytest.mark.slow

KEYS = {
    "PAYSAFER_API_BASE": "http://127.0.0.1:9/v1",
    "PAYSAFER_SECRET_KEY": "sk_test_somebodyelse",
    "PAYSAFER_PUBLISHABLE_KEY": "pk_test_somebodyelse",
    "PAYSAFER_WEBHOOK_SECRET": "whsec_somebodyelse",
}
ROOT = Path(__file__).parents[2]


@pytest.fixture
def environ() -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PAYSAFER_")}
    return kept | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}


@pytest.fixture
def started(environ: dict[str, str], tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "example_app", "--port", "0", "--paysafer-port", "0"]
    command += ["--books", str(tmp_path)]
    with subprocess.Popen(
        command, env=environ, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        yield process
        process.kill()


def line_with(process: subprocess.Popen[str], text: str) -> str:
    """Return the next line of output that holds ``text``."""
    assert process.stdout is not None
    return next(line for line in process.stdout if text in line)


def test_check_buys_and_exits_with_0(environ: dict[str, str]) -> None:
    command = [sys.executable, "-m", "example_app", "--check"]
    done = subprocess.run(command, env=environ, text=True, capture_output=True, timeout=200)
    assert (done.returncode, done.stderr) == (0, "")
    assert [line[:6] for line in done.stdout.splitlines()] == ["ok    ", "ok    "]


def test_check_buys_with_nobodys_keys(environ: dict[str, str]) -> None:
    """Neither on an account whose keys happen to be there, nor where no webhook gets here."""
    environ |= KEYS
    command = [sys.executable, "-m", "example_app", "--check"]
    done = subprocess.run(command, env=environ, text=True, capture_output=True, timeout=200)
    assert done.returncode == 0


@pytest.mark.parametrize("prefix", ["", "FLASK_"])
def test_with_keys_the_shop_talks_to_paysafer(
    environ: dict[str, str], tmp_path: Path, prefix: str
) -> None:
    environ |= {prefix + name: value for name, value in KEYS.items()}
    command = [sys.executable, "-m", "example_app", "--port", "0", "--books", str(tmp_path)]
    with subprocess.Popen(command, env=environ, text=True, stdout=subprocess.PIPE) as process:
        assert line_with(process, "talks to").endswith("http://127.0.0.1:9/v1, with your keys.\n")
        assert line_with(process, "webhook").endswith("/paysafer/webhook\n")
        line_with(process, "Ctrl-C")
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=20)
    assert (process.returncode, out) == (0, "\nClosed.\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_closes_shop_and_paysafer(
    started: subprocess.Popen[str], number: signal.Signals
) -> None:
    shop = line_with(started, "Dallah Roasters is open").split()[-1]
    paysafer = line_with(started, "Local PaySafer").split()[-1]
    line_with(started, "Ctrl-C")
    assert httpx.get(shop).status_code == 200
    started.send_signal(number)
    out, _ = started.communicate(timeout=20)
    assert started.returncode == 0
    assert out.endswith("Closed.\n")
    for url in (shop, paysafer):
        with pytest.raises(httpx.ConnectError):
            httpx.get(url)
