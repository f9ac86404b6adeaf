from __future__ import annotations

import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from flask_paysafer.cli.env_file import EnvFile
from flask_paysafer.errors import ConfigurationError

SETTING = "PAYSAFER_WEBHOOK_SECRET"

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git(tmp_path, "init", "--quiet")
    return tmp_path


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", "-C", str(folder), *arguments], check=True, capture_output=True)


@needs_git
def test_refuses_a_file_that_git_would_take(repository: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"Add a line with \.env to \.gitignore first"):
        EnvFile.open(repository / ".env")


@needs_git
def test_refuses_a_file_that_git_has_already(repository: Path) -> None:
    (repository / ".env").write_text("DEBUG=1\n")
    git(repository, "add", ".env")
    (repository / ".gitignore").write_text(".env\n")

    with pytest.raises(ConfigurationError, match="does not ignore it"):
        EnvFile.open(repository / ".env")


@needs_git
def test_takes_a_file_that_git_ignores(repository: Path) -> None:
    (repository / ".gitignore").write_text(".env\n")
    folder = repository / "deploy"
    folder.mkdir()

    EnvFile.open(folder / ".env").write(SETTING, "whsec_1", beside_present=False)

    assert (folder / ".env").read_text() == f"{SETTING}=whsec_1\n"


def test_keeps_other_lines(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text(f"# mine\nDEBUG=1\nexport {SETTING}='whsec_old'\n\nLAST=2")

    EnvFile.open(file).write(SETTING, "whsec_new", beside_present=False)

    assert file.read_text() == f"# mine\nDEBUG=1\n\nLAST=2\n{SETTING}=whsec_new\n"


def test_puts_the_new_secret_before_one_that_stays_in_use(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text(f'{SETTING}="whsec_old"\n')

    EnvFile.open(file).write(SETTING, "whsec_new", beside_present=True)

    assert file.read_text() == f"{SETTING}=whsec_new,whsec_old\n"


def test_changes_the_prefixed_setting_that_would_win(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text(f"FLASK_{SETTING}=whsec_old\n")

    name = EnvFile.open(file).write(SETTING, "whsec_new", beside_present=False)

    assert name == f"FLASK_{SETTING}"
    assert file.read_text() == f"FLASK_{SETTING}=whsec_new\n"


def test_only_its_owner_can_read_the_file(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("DEBUG=1\n")
    file.chmod(0o644)

    EnvFile.open(file).write(SETTING, "whsec_1", beside_present=False)

    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_leaves_no_other_file_behind(tmp_path: Path) -> None:
    EnvFile.open(tmp_path / ".env").write(SETTING, "whsec_1", beside_present=False)

    assert [path.name for path in tmp_path.iterdir()] == [".env"]


def test_refuses_a_file_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"\xff\xfe\x00")

    with pytest.raises(ConfigurationError, match="can't be read"):
        EnvFile.open(tmp_path / ".env")
