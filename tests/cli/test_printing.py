"""What the commands print fits the terminal, whatever it is and whoever wrote it."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from rich.cells import cell_len

from flask_paysafer.cli.output import print_facts, print_table, say, say_cells

STYLE = re.compile(r"\x1b\[[0-9;]*m")
WIDTHS = [40, 80, 140]
ID = "evt_1NRv2H2eZvKYlo2CkMzPF4fS"
URL = "http://127.0.0.1:5000/paysafer/webhook"
OBJECT = "pay_1NRv2H2eZvKYlo2CkMzPF4fS"
TITLES = ("RECEIVED", "STATE", "TYPE", "OBJECT", "FAILURES", "ID", "NOTE")
ROW = ("2026-11-25 04:31:07 UTC", "failed", "payment.completed", OBJECT, 3, ID, "out of stock")


def print_everything(width: int) -> None:
    say("No handler is registered for any event. " * 4, lead="warning  ", style="bold yellow")
    say("Nothing is done when somebody pays. " * 4, lead="Why:  ", indent=9)
    say_cells(["payment.completed", ID, "2026-11-25 04:31 UTC", "AED 150.00"], lead="missed   ")
    print_table(TITLES, [ROW, ROW])
    print_table(("STATE", "EVENTS"), [("done", 3), ("failed", 51)])
    print_facts({"Event": ID, "Verified with": "whsec_… (fingerprint 0a1b2c3d)"})
    say("عنوان طويل " * 20)
    say(f"See {URL} for more.", lead="Hint: ", indent=9)
    say("x" * (3 * width))


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_wider_than_the_terminal(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", str(width))
    print_everything(width)
    lines = capsys.readouterr().out.splitlines()
    assert max(cell_len(STYLE.sub("", line)) for line in lines) <= width


@pytest.mark.parametrize("width", WIDTHS)
def test_no_word_is_broken_that_fits(
    width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", str(width))
    print_everything(width)
    words = set(STYLE.sub("", capsys.readouterr().out).split())
    assert {ID, OBJECT, URL, "payment.completed", "registered", "somebody", "FAILURES"} <= words


def test_what_is_piped_keeps_its_lines_whole_and_has_no_colour(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    say("word " * 100, lead="error    ", style="bold red")
    print_table(TITLES, [ROW])
    said, titles, row = capsys.readouterr().out.splitlines()
    assert said == f"error    {'word ' * 100}".rstrip()
    assert re.split("  +", titles) == list(TITLES)
    assert re.split("  +", row) == [str(cell) for cell in ROW]


def test_colours_are_for_terminals_and_no_color_turns_them_off(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    say("paid", style="green")
    monkeypatch.setenv("NO_COLOR", "1")
    say("paid", style="green")
    coloured, plain = capsys.readouterr().out.splitlines()
    assert coloured == "\x1b[32mpaid\x1b[0m"
    assert plain == "paid"


@pytest.mark.parametrize("text", ["\x1b[2Jcleared", "a\rb", "\x9b2J", "abc\u202edef", "[bold]b[/]"])
def test_text_from_outside_can_not_steer_the_terminal(
    text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("NO_COLOR", "1")
    say(text)
    say_cells([text], lead=f"{text} ")
    print_table(("ID",), [(text,)])
    print_facts({text: text})
    printed = STYLE.sub("", capsys.readouterr().out)
    assert all(char.isprintable() or char == "\n" for char in printed)
    assert "[bold]b[/]" in printed or "\N{REPLACEMENT CHARACTER}" in printed


def test_a_running_shop_does_not_load_rich() -> None:
    code = (
        "import sys; from flask import Flask; from flask_paysafer import PaySafer;"
        "PaySafer(Flask('shop')); import flask_paysafer.cli; assert 'rich' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
