from __future__ import annotations

from pathlib import Path

import pytest

from flask_paysafer.errors import ConfigurationError
from flask_paysafer.sandbox.envfile import write_settings

SETTINGS = {"PAYSAFER_API_BASE": "http://127.0.0.1:4242/v1", "PAYSAFER_SECRET_KEY": "sk_test_new"}
ADDED = "PAYSAFER_API_BASE=http://127.0.0.1:4242/v1\nPAYSAFER_SECRET_KEY=sk_test_new\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / ".env"


def written(file: Path, before: str) -> str:
    file.write_bytes(before.encode())
    write_settings(file, SETTINGS)
    return file.read_bytes().decode()


def test_new_file_is_for_its_owner_alone(file: Path) -> None:
    write_settings(file, SETTINGS)
    assert file.read_text() == ADDED
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("A=1\n# PAYSAFER_API_BASE=no\n", "A=1\n# PAYSAFER_API_BASE=no\n" + ADDED),
        ("A=1", "A=1\n" + ADDED),
        (
            "PAYSAFER_SECRET_KEY=old\nB=2\nPAYSAFER_API_BASE = 'old'\n",
            "PAYSAFER_SECRET_KEY=sk_test_new\nB=2\nPAYSAFER_API_BASE = http://127.0.0.1:4242/v1\n",
        ),
        (
            "export FLASK_PAYSAFER_API_BASE=\nexport PAYSAFER_SECRET_KEY=x\n",
            (
                "export FLASK_PAYSAFER_API_BASE=http://127.0.0.1:4242/v1\n"
                "export PAYSAFER_SECRET_KEY=sk_test_new\n"
            ),
        ),
        (
            "PAYSAFER_API_BASE=1\r\nC=é\r\n",
            "PAYSAFER_API_BASE=http://127.0.0.1:4242/v1\r\nC=é\r\nPAYSAFER_SECRET_KEY=sk_test_new\r\n",
        ),
        (
            "PAYSAFER_WEBHOOK_SECRET=whsec_mine\nMY_PAYSAFER_API_BASE=1\n",
            "PAYSAFER_WEBHOOK_SECRET=whsec_mine\nMY_PAYSAFER_API_BASE=1\n" + ADDED,
        ),
    ],
)
def test_other_lines_are_untouched(file: Path, before: str, after: str) -> None:
    assert written(file, before) == after
    assert written(file, after) == after


def test_bytes_that_are_no_text_are_kept(file: Path) -> None:
    file.write_bytes(b"A=\xff\xfe\n")
    write_settings(file, SETTINGS)
    assert file.read_bytes() == b"A=\xff\xfe\n" + ADDED.encode()


def test_permissions_and_links_are_kept(file: Path, tmp_path: Path) -> None:
    real = tmp_path / "shared.env"
    real.write_text("A=1\n")
    real.chmod(0o640)
    file.symlink_to(real)
    write_settings(file, SETTINGS)
    assert file.is_symlink()
    assert (real.read_text(), real.stat().st_mode & 0o777) == ("A=1\n" + ADDED, 0o640)


@pytest.mark.parametrize(
    "line", ["PAYSAFER_SECRET_KEY=sk_live_abc", "PAYSAFER_EU_SECRET_KEY='sk_live_abc'"]
)
def test_file_with_a_live_key_is_refused_and_untouched(file: Path, line: str) -> None:
    file.write_text(line)
    with pytest.raises(ConfigurationError, match="holds a live key in PAYSAFER_") as refused:
        write_settings(file, SETTINGS)
    assert "abc" not in str(refused.value)
    assert (file.read_text(), list(file.parent.iterdir())) == (line, [file])
