"""A healthy shop behind the servers that merchants use has no finding, online."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from flask_paysafer.sandbox import Sandbox

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
SHOP = "tests.cli.doctor.served_shop"
HEADERS = {"Authorization": "Bearer sk_test_kitshop12"}
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
NGINX_CONF = """
daemon off; master_process off; pid {folder}/nginx.pid; error_log stderr error;
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://127.0.0.1:{app_port};
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Forwarded-Host $http_host;
    }}
  }}
}}
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def running(
    command: list[str], port: int, environment: dict[str, str], *descriptors: int
) -> Iterator[None]:
    """Run a server until the ``with`` block ends; wait until it takes connections."""
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL, pass_fds=descriptors
    )
    try:
        until = time.monotonic() + 30
        while process.poll() is None and time.monotonic() < until:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(20)


def doctor(url: str, environment: dict[str, str]) -> dict[str, Any]:
    command = [sys.executable, "-m", "flask", "--app", f"{SHOP}:create_app", "paysafer", "doctor"]
    done = subprocess.run(
        [*command, "--json", "--strict", "--url", url],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    report: dict[str, Any] = json.loads(done.stdout)
    return {**report, "exit_code": done.returncode}


@pytest.fixture
def environment(served: Sandbox, folder: Path) -> dict[str, str]:
    served.reset()
    return {
        **os.environ,
        "SHOP_FOLDER": str(folder),
        "SHOP_API": f"{served.url}/v1",
        "PYTHONWARNINGS": "ignore",
    }


@pytest.mark.parametrize("server", ["gunicorn", "waitress", "nginx"])
def test_a_healthy_shop_has_no_finding(
    server: str, served: Sandbox, folder: Path, environment: dict[str, str]
) -> None:
    if server == "nginx" and NGINX is None:
        pytest.skip("nginx is not installed")
    listener = socket.create_server(("127.0.0.1", 0))
    app_port, port = listener.getsockname()[1], free_port()
    public = port if server == "nginx" else app_port
    url = f"http://127.0.0.1:{public}"
    made = httpx.post(
        f"{served.url}/v1/webhook-endpoints",
        json={"url": f"{url}/paysafer/webhook"},
        headers=HEADERS,
    )
    environment["SHOP_SECRET"] = made.json()["secret"]
    gunicorn = [sys.executable, "-m", "gunicorn", f"--bind=fd://{listener.fileno()}"]
    command = (
        [sys.executable, "-m", SHOP, str(listener.fileno())]
        if server == "waitress"
        else [*gunicorn, "--threads=2", f"{SHOP}:create_app()"]
    )
    with contextlib.ExitStack() as stack:
        stack.enter_context(listener)
        stack.enter_context(running(command, app_port, environment, listener.fileno()))
        if server == "nginx":
            conf = folder / "nginx.conf"
            conf.write_text(NGINX_CONF.format(folder=folder, port=port, app_port=app_port))
            nginx = [str(NGINX), "-p", str(folder), "-c", str(conf)]
            stack.enter_context(running(nginx, port, environment))
        httpx.post(
            f"{served.url}/v1/payments",
            json={"amount": 100, "currency": "aed", "payment_method": "pm_card_visa"},
            headers=HEADERS,
        )
        served.advance(0)
        report = doctor(url, environment)

    levels = {one["level"]: one["what"] for one in report["findings"]}
    assert not levels.keys() & {"error", "warning"}, levels
    assert report["exit_code"] == 0
    said = " ".join(one["what"] for one in report["findings"])
    assert f"{url}/paysafer/webhook is reached, and refuses what is forged." in said
    assert "last verified a delivery" in said
