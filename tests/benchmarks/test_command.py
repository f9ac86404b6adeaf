from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .__main__ import main
from .findings import Finding, Goal, Unavailable
from .measuring import FULL, QUICK, Effort
from .paths import PATHS
from .paths import Path as Measured


def yielding(ratio: float, efforts: list[Effort] | None = None) -> Measured:
    def measure(effort: Effort) -> Iterator[Finding]:
        if efforts is not None:
            efforts.append(effort)
        yield Finding(f"ours at {ratio}", "theirs", Goal(1.0), (ratio,), (1.0,))

    return measure


def always(measured: Measured) -> Callable[[str], Measured]:
    return lambda name: measured


def lacking(_: str) -> Measured:
    raise Unavailable("django is not installed")


def test_exits_0_when_every_goal_is_met(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify"], find=always(yielding(0.5))) == 0
    assert "1 of 1 goals met" in capsys.readouterr().out


def test_exits_1_when_a_goal_is_missed(capsys: pytest.CaptureFixture[str]) -> None:
    paths = {"verify": yielding(0.5), "client": yielding(1.5)}
    assert main(["verify", "client"], find=paths.__getitem__) == 1
    assert "MISSED" in capsys.readouterr().out


def test_names_what_there_is_for_a_path_that_there_is_not(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["backlog"], find=always(yielding(0.5)))
    message = capsys.readouterr().err
    assert "there is no path called backlog" in message
    assert "celery" in message


def test_runs_every_path_unless_some_are_named() -> None:
    asked: list[str] = []

    def find(name: str) -> Measured:
        asked.append(name)
        return yielding(0.5)

    main([], find=find)
    assert asked == list(PATHS)


def test_says_what_was_skipped_and_why(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["djstripe"], find=lacking) == 0
    assert "skipped djstripe: django is not installed" in capsys.readouterr().out


@pytest.mark.parametrize(("arguments", "effort"), [([], FULL), (["--quick"], QUICK)])
def test_quick_lowers_the_effort(arguments: list[str], effort: Effort) -> None:
    efforts: list[Effort] = []
    main(["verify", *arguments], find=always(yielding(0.5, efforts)))
    assert efforts == [effort]


def test_json_holds_the_findings_and_the_skipped(tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    main(["verify", "--quick", "--json", str(file)], find=always(yielding(0.5)))
    document = json.loads(file.read_text(encoding="utf-8"))
    assert document["findings"][0]["subject"] == "ours at 0.5"
    assert document["quick"] is True
