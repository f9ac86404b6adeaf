"""What is built and what is in it. ``.ci/packaging`` installs it in empty environments."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
BUILD = (
    "import sys; from flit_core import buildapi; "
    "buildapi.build_wheel(sys.argv[1]); buildapi.build_sdist(sys.argv[1])"
)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the sdist."""
    if importlib.util.find_spec("flit_core") is None:
        pytest.skip("flit_core, which builds the package, is not installed")
    folder = tmp_path_factory.mktemp("built")
    command = [sys.executable, "-c", BUILD, str(folder)]
    subprocess.run(command, check=True, cwd=ROOT, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> set[str]:
    """The names of the files in the wheel."""
    [path] = built.glob("*.whl")
    return set(zipfile.ZipFile(path).namelist())


@pytest.fixture(scope="module")
def sdist(built: Path) -> set[str]:
    """The names of the files in the sdist, without its folder."""
    [path] = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        return {name.partition("/")[2] for name in archive.getnames()}


def test_the_version_is_the_changelogs() -> None:
    newest = re.search(r"(?m)^## (\S+)", (ROOT / "CHANGES.md").read_text("utf-8"))
    assert newest is not None
    assert newest[1] == PROJECT["version"]


def test_the_wheel_has_every_file_of_the_package_and_nothing_else(wheel: set[str]) -> None:
    package = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "flask_paysafer").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert package <= wheel
    assert {name for name in wheel - package if ".dist-info/" not in name} == set()


@pytest.mark.parametrize("kind", [".html", ".js", ".css", ".json", "py.typed"])
def test_the_wheel_has_more_than_python(wheel: set[str], kind: str) -> None:
    assert any(name.endswith(kind) for name in wheel)


def test_the_wheel_has_the_licence_and_the_entry_points(wheel: set[str], built: Path) -> None:
    [path] = built.glob("*.whl")
    name = f"flask_paysafer-{PROJECT['version']}.dist-info"
    entry_points = zipfile.ZipFile(path).read(f"{name}/entry_points.txt").decode()

    assert f"{name}/licenses/LICENSE" in wheel
    assert "paysafer-sandbox=flask_paysafer.sandbox.__main__:main" in entry_points
    assert "[pytest11]\npaysafer=flask_paysafer.testing.plugin" in entry_points
    assert "[flask.commands]\npaysafer=flask_paysafer.cli:paysafer_cli" in entry_points


def test_the_sdist_has_what_is_needed_to_test_and_document(sdist: set[str]) -> None:
    wanted = {"CHANGES.md", "README.md", "LICENSE", "pyproject.toml", "docs/index.md"}
    assert wanted <= sdist
    assert "tests/packaging/test_packaging.py" in sdist
    assert "example_app/__main__.py" in sdist


def test_neither_has_what_running_leaves_behind(wheel: set[str], sdist: set[str]) -> None:
    left = re.compile(r"__pycache__|\.pyc$|\.sqlite|\.db$|_build|\.venv|/instance/|\.env$")
    assert [name for name in wheel | sdist if left.search(name)] == []


def test_what_runs_is_needed_at_run_time_and_nothing_else() -> None:
    names = {re.split(r"[<>=\[]", entry)[0] for entry in PROJECT["dependencies"]}
    assert names == {"flask", "blinker", "cryptography", "httpx", "rich", "sqlalchemy"}


def test_every_extra_is_told_of_in_the_readme_or_the_pages() -> None:
    pages = [*(ROOT / "docs").glob("*.md"), ROOT / "README.md"]
    text = "\n".join(page.read_text("utf-8") for page in pages)
    for extra in set(PROJECT["optional-dependencies"]) - {"docs", "bench"}:
        assert re.search(rf"\[[a-z,.\" ]*{extra}", text), extra
