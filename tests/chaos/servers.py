"""A PostgreSQL of one's own, that may be stopped at once and started again."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_OPTIONS = "-c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=on"


class PostgreSQL:
    """A server in a folder, on a free port."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]
        self._run("initdb", "-A", "trust", "-U", "postgres")

    @property
    def url(self) -> str:
        """The URL of its only database."""
        return f"postgresql+psycopg://postgres@127.0.0.1:{self._port}/postgres"

    def start(self) -> None:
        """Start it, and wait until it answers."""
        log = str(self._folder.with_suffix(".log"))
        self._run("pg_ctl", "-w", "-l", log, "-o", f"{_OPTIONS} -p {self._port}", "start")

    def stop_at_once(self) -> None:
        """Stop it as a power cut would: nothing is finished or flushed."""
        self._run("pg_ctl", "-m", "immediate", "stop")

    def crash(self) -> None:
        """Stop it at once, and start it again."""
        self.stop_at_once()
        self.start()

    def _run(self, program: str, *arguments: str) -> None:
        found = shutil.which(program)
        if found is None:
            raise SystemExit(f"{program} is not on the PATH: install PostgreSQL's server programs.")
        # The server refuses to run as root.
        becomes = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        command = [*becomes, found, "-D", str(self._folder), *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd="/")


@contextmanager
def own_postgresql(folder: Path) -> Iterator[PostgreSQL]:
    """Give a running server, and stop it afterwards."""
    home = folder / "postgresql"
    home.mkdir()
    folder.chmod(0o755)
    if os.geteuid() == 0:
        shutil.chown(home, "postgres")
        folder.chmod(0o777)
    server = PostgreSQL(home)
    server.start()
    try:
        yield server
    finally:
        server.stop_at_once()
