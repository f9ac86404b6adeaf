"""The tutorial is followed to the letter: its files, its commands, and what they print."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

import flask_paysafer
from tests.services import require_program
from tests.waiting import wait_for

from .merchant import plugin_options
from .walkthrough import File, Reader, appears, steps

pytestmark = pytest.mark.slow

PACKAGE = Path(flask_paysafer.__file__).parents[1]
PAGE = PACKAGE / "docs" / "tutorial.md"
SECONDS = 60


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    require_program("bash")
    require_program("curl")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PAYSAFER_")}
    reader = Reader(
        tmp_path,
        {
            **kept,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": f"{PACKAGE}{os.pathsep}{os.environ.get('PYTHONPATH', '')}",
            "PYTHONUTF8": "1",
            "NO_PROXY": "*",
            "PYTEST_ADDOPTS": " ".join(plugin_options()),
        },
    )
    yield reader
    reader.leave()


def test_the_tutorial_keeps_its_promises(reader: Reader) -> None:
    ports = {"4242": free_port(), "5000": free_port()}
    servers = {
        "python -m flask_paysafer.sandbox": ports["4242"],
        "flask run": ports["5000"],
    }
    page = PAGE.read_text()
    for port, free in ports.items():
        page = page.replace(f"127.0.0.1:{port}", f"127.0.0.1:{free}")
    for step in steps(page):
        if isinstance(step, File):
            (reader.folder / step.name).write_text(step.content)
        elif step.text in servers:
            own = servers.pop(step.text)
            reader.start(f"{step.text} --port {own}")
            wait_for(partial(listens, own), f"a server on port {own}", seconds=SECONDS)
        else:
            output = reader.type(step.text)
            assert appears(step.output, output), f"$ {step.text}\n{output}"
    assert servers == {}
