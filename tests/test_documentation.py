"""The pages name all that a merchant can set, catch, hear or run, and lead nowhere wrong.

That Sphinx builds them without a warning is held by CI's own step.
"""

from __future__ import annotations

import re
import shlex
from functools import cache
from pathlib import Path

import click
import pytest

import flask_paysafer
from flask_paysafer import errors, signals
from flask_paysafer.cli import COMMANDS, paysafer_cli
from flask_paysafer.config import SETTING_NAMES
from flask_paysafer.events import EVENT_TYPES

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = [*sorted(DOCS.glob("*.md")), ROOT / "README.md", ROOT / "CHANGES.md"]
SIGNALS = [
    name for name in vars(signals) if name.islower() and hasattr(getattr(signals, name), "connect")
]
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(<?([^)>\s]+)>?\)|!\[[^\]]*\]\(([^)\s]+)\)")


@cache
def text(*pages: str) -> str:
    """Return the words of these pages, or of all."""
    chosen = [DOCS / page for page in pages] if pages else PAGES
    return "\n".join(page.read_text("utf-8") for page in chosen)


def commands() -> list[str]:
    """Return every command, with its group."""
    found = []
    with click.Context(paysafer_cli) as context:
        for name in COMMANDS:
            command = paysafer_cli.get_command(context, name)
            if isinstance(command, click.Group):
                found += [f"{name} {inner}" for inner in command.list_commands(context)]
            else:
                found.append(name)
    return found


@pytest.mark.parametrize("name", SETTING_NAMES)
def test_every_setting_is_described(name: str) -> None:
    assert f"PAYSAFER_{name}" in text("settings.md")


@pytest.mark.parametrize("name", SIGNALS)
def test_every_signal_is_described(name: str) -> None:
    assert re.search(rf"\b{name}\b", text("signals.md"))


@pytest.mark.parametrize("name", errors.__all__)
def test_every_error_is_described(name: str) -> None:
    if name != "Outcome":
        assert re.search(rf"\b{name}\b", text("errors.md"))


@pytest.mark.parametrize("command", commands())
def test_every_command_is_described(command: str) -> None:
    group, _, name = command.partition(" ")
    assert re.search(rf"`{group}[^`]*`", text("commands.md"))
    assert re.search(rf"\b{name or group}\b", text("commands.md"))


BLOCKS = "\n".join(re.findall(r"(?ms)^```(?:sh|text)\n(.*?)^```", text())).replace("\\\n", " ")
EXAMPLES = sorted(
    example
    for example in set(re.findall(r"(?m)^.*?flask --app shop paysafer (\S.*)$", BLOCKS))
    if example.split()[0] in COMMANDS
)


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_of_a_command_is_one(example: str) -> None:
    """Its group, its options and their values are what the command takes; nothing runs."""
    context, words = click.Context(paysafer_cli), shlex.split(example, comments=True)
    group: click.Command = paysafer_cli
    while isinstance(group, click.Group):
        name, *words = words
        found = group.get_command(context, name)
        assert found is not None, name
        group = found
    group.make_context("paysafer", words, parent=context)


@pytest.mark.parametrize("name", flask_paysafer.__all__)
def test_every_public_name_is_in_the_pages(name: str) -> None:
    assert re.search(rf"\b{name}\b", text())


@pytest.mark.parametrize("kind", EVENT_TYPES)
def test_every_event_type_is_in_the_pages(kind: str) -> None:
    assert kind in text()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    targets = [first or second for first, second in LINK.findall(_without_code(page))]
    lost = [target for target in targets if not _is_there(page, target)]
    assert lost == []


def _without_code(page: Path) -> str:
    return re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text("utf-8"), flags=re.DOTALL)


def _is_there(page: Path, target: str) -> bool:
    if re.match(r"[a-z]+:", target) or target.startswith("#"):
        return True
    return (page.parent / target.partition("#")[0]).exists()


def test_every_page_is_in_the_table_of_contents() -> None:
    index = text("index.md")
    lost = [page.stem for page in DOCS.glob("*.md") if not re.search(rf"(?m)^{page.stem}$", index)]
    assert [name for name in lost if name != "index"] == []


def test_most_examples_are_run() -> None:
    pages = text(*(page.name for page in DOCS.glob("*.md")))
    blocks = len(re.findall(r"(?m)^\s*```python", pages))
    skipped = len(re.findall(r"<!--+ skip", pages))
    assert skipped < blocks / 6
