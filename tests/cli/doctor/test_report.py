from __future__ import annotations

import pytest

from flask_paysafer.cli.doctor.findings import error
from flask_paysafer.cli.doctor.report import show
from flask_paysafer.cli.doctor.running import Result

PATH = "/srv/" + "a-long-folder/" * 8 + "paysafer-inbox.sqlite"


def test_what_is_to_be_copied_stays_in_one_piece(capsys: pytest.CaptureFixture[str]) -> None:
    finding = error(f"The inbox's file is here: {PATH}.", why="It is.", cure=f"Move {PATH}.")
    show([Result("paysafer", "inbox", finding)])
    assert capsys.readouterr().out.count(PATH) == 2
