from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


def peak(payments: int, folder: Path) -> int:
    """Return the most memory that a reconcile of so many payments had, in kilobytes."""
    command = [sys.executable, "-m", "tests.cli.reconcile.large_shop", str(payments), str(folder)]
    return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def test_memory_does_not_grow_with_the_number_of_payments(tmp_path: Path) -> None:
    assert peak(10_000, tmp_path) < 1.1 * peak(1_000, tmp_path)
