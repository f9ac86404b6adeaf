"""The route behind the servers that merchants use, spoken to over raw sockets."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from flask_paysafer.cli.exam.cases import CASES, Runner, grade_case
from flask_paysafer.cli.http import HTTPClient
from flask_paysafer.config import load_config

from .door_app import PATH, SECRET, event_body, sign
from .served_app import LIMIT

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
WAIT = 20
"""Seconds after which a server that does not answer has failed the test."""
STALL = 2
"""Seconds after which gunicorn gives up a worker that hangs."""

GUNICORN = [sys.executable, "-m", "gunicorn", "--workers=1", f"--timeout={STALL}", "--keep-alive=1"]
APP = "tests.webhooks.served_app:create_app()"
COMMANDS = {
    "gunicorn sync": [*GUNICORN, "--worker-class=sync", "--bind=fd://{fd}", APP],
    "gunicorn gthread": [
        *GUNICORN,
        "--worker-class=gthread",
        "--threads=2",
        "--bind=fd://{fd}",
        APP,
    ],
    "waitress": [sys.executable, "-m", "tests.webhooks.served_app", "{fd}"],
}


class Server:
    """A running server and how to speak to it."""

    def __init__(self, port: int, inbox: Path) -> None:
        self.port = port
        self._inbox = inbox

    @contextlib.contextmanager
    def connection(self) -> Iterator[socket.socket]:
        with socket.create_connection(("127.0.0.1", self.port), timeout=WAIT) as peer:
            yield peer

    def ask(self, request: bytes) -> tuple[int, bytes]:
        """Send ``request`` as it is; return the answer's status (0 without one) and body."""
        with self.connection() as peer:
            with contextlib.suppress(ConnectionError):  # it may answer before it has read all
                peer.sendall(request)
            return read_answer(peer)

    def stored(self) -> int:
        """Return how many bodies the inbox's file holds, whatever became of its workers."""
        if not self._inbox.exists():
            return 0
        with contextlib.closing(sqlite3.connect(self._inbox, timeout=WAIT)) as database:
            count: int = database.execute("SELECT count(*) FROM paysafer_event").fetchone()[0]
        return count


def read_all(peer: socket.socket) -> bytes:
    answer = b""
    with contextlib.suppress(ConnectionError):
        while chunk := peer.recv(65_536):
            answer += chunk
    return answer


def read_answer(peer: socket.socket) -> tuple[int, bytes]:
    head, _, body = read_all(peer).partition(b"\r\n\r\n")
    return (int(head.split()[1]) if head else 0), body


@pytest.fixture(scope="module", params=list(COMMANDS.values()), ids=list(COMMANDS))
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    inbox = tmp_path_factory.mktemp("served") / "inbox.db"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        command = [part.format(fd=listener.fileno()) for part in request.param]
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, "PAYSAFER_INBOX_URL": f"sqlite:///{inbox}"},
            pass_fds=[listener.fileno()],
            stderr=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        try:
            yield Server(listener.getsockname()[1], inbox)
        finally:
            process.terminate()
            process.wait(WAIT)


def head(*headers: str | bytes, method: str = "POST", path: str = PATH) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: shop", "Connection: close", *headers]
    raw = [line if isinstance(line, bytes) else line.encode("latin-1") for line in lines]
    return b"\r\n".join(raw) + b"\r\n\r\n"


def plain(body: bytes, *headers: str | bytes, path: str = PATH) -> bytes:
    return head(f"Content-Length: {len(body)}", *headers, path=path) + body


def chunked(body: bytes, *headers: str) -> bytes:
    sizes = range(0, len(body), 30_000)
    parts = [body[start : start + 30_000] for start in sizes]
    framed = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)
    return head("Transfer-Encoding: chunked", *headers) + framed + b"0\r\n\r\n"


def signed(body: bytes) -> str:
    return f"PaySafer-Signature: {sign(body)}"


@pytest.mark.parametrize("path", [PATH, PATH + "/"])
def test_takes_a_delivery_in_both_slash_forms(server: Server, path: str) -> None:
    body = event_body(f"evt_{path.count('/')}")
    assert server.ask(plain(body, signed(body), path=path)) == (200, b'{"received": true}')


def test_takes_a_chunked_delivery_up_to_the_limit(server: Server) -> None:
    body = event_body("evt_chunked").ljust(LIMIT)
    assert server.ask(chunked(body, signed(body))) == (200, b'{"received": true}')


@pytest.mark.parametrize("extra", [1, 200_000])
@pytest.mark.parametrize("frame", [chunked, plain])
def test_refuses_what_is_over_the_limit(server: Server, frame: object, extra: int) -> None:
    before = server.stored()
    body = event_body("evt_large").ljust(LIMIT + extra)
    make = chunked if frame is chunked else plain
    status, _ = server.ask(make(body, signed(body[:LIMIT])))
    assert status == 413
    assert server.stored() == before


def test_two_signature_headers_are_not_taken_for_one(server: Server) -> None:
    before = server.stored()
    body = event_body("evt_two_headers")
    status, answer = server.ask(plain(body, signed(body), signed(body)))
    assert (status, answer) == (400, b"Invalid signature")
    assert server.stored() == before


@pytest.mark.parametrize(
    "header",
    [b"PaySafer-Signature: \xe9", b"PaySafer-Signature: t=1,v1=\xff\xfe", b"PaySafer-Signature:"],
)
def test_stray_bytes_in_the_header_are_no_server_error(server: Server, header: bytes) -> None:
    status, _ = server.ask(plain(event_body(), header))
    assert status == 400


def test_authentic_bytes_that_are_no_text_are_set_aside(server: Server) -> None:
    before = server.stored()
    body = b"\xff\xfe\x00\x80"
    assert server.ask(plain(body, signed(body))) == (400, b"Invalid payload")
    assert server.stored() == before + 1


def test_a_compressed_delivery_is_refused(server: Server) -> None:
    body = event_body("evt_gzip")
    assert server.ask(plain(body, signed(body), "Content-Encoding: gzip"))[0] == 415


@pytest.mark.parametrize("method", ["GET", "PUT", "OPTIONS", "DELETE"])
def test_another_method_is_refused(server: Server, method: str) -> None:
    assert server.ask(head(method=method))[0] == 405


def test_a_client_that_goes_away_leaves_nothing_behind(server: Server) -> None:
    before = server.stored()
    body = event_body("evt_gone")
    with server.connection() as peer:
        peer.sendall(plain(body, signed(body))[:-10])
        peer.shutdown(socket.SHUT_WR)
        status, _ = read_answer(peer)
    assert status in (0, 400)
    assert server.stored() == before


@pytest.mark.parametrize("frame", [plain, chunked])
def test_a_body_that_stalls_holds_nobody_up_for_good(server: Server, frame: object) -> None:
    """The server's own timeout ends it; the next delivery is served and nothing is stored."""
    before = server.stored()
    body = event_body("evt_stalled")
    make = chunked if frame is chunked else plain
    with server.connection() as peer:
        peer.sendall(make(body, signed(body))[:-10])
        following = event_body(f"evt_after_{make.__name__}")
        assert server.ask(plain(following, signed(following)))[0] == 200
    assert server.stored() == before + 1


def test_a_refused_body_is_never_read_as_the_next_request(server: Server) -> None:
    hidden = plain(event_body("evt_hidden"), signed(event_body("evt_hidden")))
    refused = plain(hidden, "Content-Type: multipart/form-data")
    refused = refused.replace(b"Connection: close", b"X: y", 1)  # so that it stays open
    before = server.stored()
    following = event_body("evt_following")
    with server.connection() as peer:
        with contextlib.suppress(ConnectionError):
            peer.sendall(refused + plain(following, signed(following)))
        answers = read_all(peer)
    assert re.findall(rb"HTTP/1\.1 (\d+)", answers) in ([b"415"], [b"415", b"200"])
    assert server.stored() - before == answers.count(b"HTTP/1.1 200")


def test_passes_the_exam(server: Server) -> None:
    url = urlsplit(f"http://127.0.0.1:{server.port}{PATH}")
    settings = {"PAYSAFER_WEBHOOK_SECRET": SECRET, "PAYSAFER_WEBHOOK_MAX_BYTES": LIMIT}
    client = HTTPClient(url, timeout=WAIT)
    runner = Runner(load_config(settings, {}), client, kind="payment.created")
    grades = [grade_case(case, runner) for case in CASES]
    assert [grade for grade in grades if grade.outcome in ("fail", "warn")] == []


@pytest.mark.parametrize("framing", [b"zz\r\n{}\r\n0\r\n\r\n", b"5\r\n{}\r\n", b"-1\r\n\r\n"])
def test_broken_chunks_are_no_server_error(server: Server, framing: bytes) -> None:
    request = head("Transfer-Encoding: chunked", signed(b"{}")) + framing
    with server.connection() as peer:
        peer.sendall(request)
        peer.shutdown(socket.SHUT_WR)
        status, _ = read_answer(peer)
    assert status < 500
