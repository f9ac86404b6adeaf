"""What the client's modules may import, and when."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import flask_paysafer.client

HOME = Path(flask_paysafer.client.__file__).parent


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.add((node.module or "").partition(".")[0])
    return names


def test_httpx_is_known_to_one_module() -> None:
    """So that a successor is a change of one file."""
    knowing = {
        path.name
        for path in HOME.parent.rglob("*.py")
        if imported(path) & {"httpx", "httpcore", "h11", "anyio"}
        and not {"sandbox", "testing"} & set(path.parts)
    }
    assert knowing == {"transport.py"}


def test_the_core_does_no_input_or_output() -> None:
    outside = {"socket", "ssl", "asyncio", "threading", "os", "httpx", "httpcore", "flask"}
    drivers = {
        "transport.py",
        "connecting.py",
        "client.py",
    }
    for path in HOME.glob("*.py"):
        if path.name not in drivers:
            assert not imported(path) & outside, path.name


def test_importing_the_client_loads_no_http_library() -> None:
    """A shop's workers and commands start faster, and many never call."""
    code = (
        "import sys, flask_paysafer.client;"
        "print({'httpx', 'httpcore', 'asyncio', 'cryptography'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
