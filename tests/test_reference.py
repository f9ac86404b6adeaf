"""The API reference has all that is public, and all that the pages tell people to import."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from sphinx.util.inventory import InventoryFile

import flask_paysafer
from flask_paysafer import errors, params, sandbox, signals, testing

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
PAGES = [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md"]
MODULES = [flask_paysafer, errors, params, sandbox, testing]
NOT_PUBLIC = {"flask_paysafer.PaySafer.config", "flask_paysafer.PaySafer.inbox"}


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages, built as CI builds them: each unknown reference is an error."""
    folder = tmp_path_factory.mktemp("pages")
    command = [sys.executable, "-m", "sphinx", "-q", "-n", "-W", "--keep-going", "-b", "html"]
    done = subprocess.run(
        [*command, "-d", str(folder / "doctrees"), str(ROOT / "docs"), str(folder / "html")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder / "html"


@pytest.fixture(scope="module")
def inventory(pages: Path) -> set[str]:
    """The full names of all that the reference describes."""
    found = InventoryFile.loads((pages / "objects.inv").read_bytes(), uri="")
    return {name for kind, names in found.data.items() if kind.startswith("py:") for name in names}


def public_names() -> Iterator[str]:
    for module in MODULES:
        for name in module.__all__:
            if not isinstance(getattr(module, name), ModuleType):
                yield f"{module.__name__}.{name}"
    for name in vars(signals):
        if name.islower() and hasattr(getattr(signals, name), "connect"):
            yield f"{signals.__name__}.{name}"


def public_members() -> Iterator[str]:
    for module in MODULES:
        for name in module.__all__:
            if inspect.isclass(cls := getattr(module, name)):
                yield from (
                    f"{module.__name__}.{name}.{member}"
                    for member, value in vars(cls).items()
                    if not member.startswith("_") and _is_described(value)
                )


def _is_described(member: object) -> bool:
    return callable(member) or isinstance(member, (property, classmethod, staticmethod))


def imported(page: Path) -> Iterator[str]:
    """Yield what the examples of a page import of this package."""
    for block in re.findall(r"(?ms)^```python\n(.*?)^```", page.read_text("utf-8")):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(
                "flask_paysafer"
            ):
                yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_everything_public_is_described(inventory: set[str]) -> None:
    assert sorted(set(public_names()) - inventory) == []


def test_every_method_and_property_of_what_is_public_is_described(inventory: set[str]) -> None:
    assert sorted(set(public_members()) - inventory - NOT_PUBLIC) == []


def test_what_the_pages_import_is_described(inventory: set[str]) -> None:
    wanted = {name for page in PAGES for name in imported(page)}
    assert len(wanted) > 10
    assert sorted(wanted - inventory) == []


def test_calls_of_the_client_are_shown_with_every_parameter(pages: Path) -> None:
    html = (pages / "api.html").read_text("utf-8")
    for call, kind in (
        ("Payments.create", params.CreatePayment),
        ("Payments.list", params.ListParameters),
    ):
        entry = html.partition(f'id="flask_paysafer.client.services.{call}"')[2].partition("</dt>")[
            0
        ]
        shown = set(re.findall(r'<span class="n"><span class="pre">(\w+)', entry))
        wanted = set(kind.__annotations__) - set(params.CallOptions.__annotations__)
        assert wanted - shown == set()
