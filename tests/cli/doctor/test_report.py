from __future__ import annotations

import pytest

from flask_paysafer.cli.doctor import show
from flask_paysafer.cli.doctor.checking import Result, error

PATH = "/srv/" + "a-long-folder/" * 8 + "paysafer-inbox.sqlite"


def test_what_is_to_be_copied_stays_in_one_piece(capsys: pytest.CaptureFixture[str]) -> None:
    finding = error(f"The inbox's file is here: {PATH}.", reason="It is.", hint=f"Move {PATH}.")
    show([Result("paysafer", "inbox", finding)])
    assert capsys.readouterr().out.count(PATH) == 2
