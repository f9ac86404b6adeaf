"""Do what a page of the docs tells its reader to do, and compare what it promises.

In a ``console`` block a line that begins with ``$`` is typed, and the lines after it are
what has to appear; ``…`` stands for anything. What the page says to save as a file is
saved. Where a command holds a ``…``, such as ``whsec_…``, the reader copies what they saw.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, NamedTuple

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_FILE = re.compile(r"(?:[Ss]ave this as|[Ii]n|this is your)\s`(\w+\.py)`")
_COPIED = re.compile(r"(\w+_)…")
_DONE = "--- done ---"


class Command(NamedTuple):
    """Something to type, and what appears."""

    text: str
    output: str


class File(NamedTuple):
    """Something to save."""

    name: str
    content: str


def steps(page: str) -> Iterator[Command | File]:
    """Yield what the page tells to do, in its order."""
    before = 0
    for block in _BLOCK.finditer(page):
        named = _FILE.findall(page[before : block.start()])
        before = block.end()
        if block[1] == "python":
            assert len(named) == 1, f"the page does not say what to save this as:\n{block[2]}"
            yield File(named[0], block[2])
        elif block[1] == "console":
            yield from _commands(block[2])


def _commands(block: str) -> Iterator[Command]:
    for entry in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        text, _, output = entry.partition("\n")
        yield Command(text, output)


def appears(promised: str, output: str) -> bool:
    """Tell whether ``output`` is what the page promises."""
    lines = (".*?".join(map(re.escape, line.split("…"))) for line in promised.splitlines())
    return re.fullmatch("\n".join(lines), output.rstrip("\n"), re.DOTALL) is not None


@dataclass
class Reader:
    """One terminal, and the memory of someone who reads what it says."""

    folder: Path
    environ: Mapping[str, str]
    seen: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._shell = subprocess.Popen(
            ["/bin/bash", "--norc"],
            cwd=self.folder,
            env=dict(self.environ),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def type(self, text: str) -> str:
        """Type a command, wait for its end, and return what it said."""
        typed = _COPIED.sub(lambda part: self.seen[part[1]], text)
        self._say(f"{typed}\necho; echo '{_DONE}'\n")
        output = "".join(iter(_pipe(self._shell.stdout).readline, f"{_DONE}\n"))
        output = output.removesuffix("\n")
        self.seen.update({part[1]: part[0] for part in re.finditer(r"\b([a-z]+_)\w+", output)})
        return output

    def start(self, text: str) -> None:
        """Type a command that goes on in the background; it ends with the shell."""
        self._say(f"{text} >/dev/null 2>&1 &\n")

    def leave(self) -> None:
        """End what was started, and the shell."""
        self._say("kill $(jobs -p)\nwait\nexit\n")
        self._shell.communicate(timeout=20)

    def _say(self, text: str) -> None:
        pipe = _pipe(self._shell.stdin)
        pipe.write(text)
        pipe.flush()


def _pipe(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None
    return pipe
