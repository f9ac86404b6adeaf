"""Read a request's body off a connection, whole, so that the next request begins after it."""

from __future__ import annotations

from collections.abc import Callable
from email.message import Message
from io import BufferedIOBase

from .reading import MAX_BODY_BYTES

_DRAINED_AT_MOST = 64 * MAX_BODY_BYTES
_PIECE = 65536
_LONGEST_LINE = 1024


class BadRequest(Exception):  # noqa: N818 (named after the status it becomes)
    """What came is no HTTP request."""


def read_request_body(
    headers: Message, stream: BufferedIOBase, before_reading: Callable[[], None]
) -> tuple[bytes, bool]:
    """Return the body, and whether all of it was read.

    A body beyond the limit comes back one byte longer than the limit allows,
    so that the app refuses it.

    :raises BadRequest: if its length makes no sense, or it breaks off.
    """
    lengths = headers.get_all("Content-Length", [])
    encodings = headers.get_all("Transfer-Encoding", [])
    if encodings:
        if lengths or [one.strip().lower() for one in encodings] != ["chunked"]:
            raise BadRequest("Transfer-Encoding must be chunked alone")
        before_reading()
        return _read_chunks(stream)
    if not lengths:
        return b"", True
    if len(set(lengths)) > 1 or not (lengths[0].isascii() and lengths[0].isdigit()):
        raise BadRequest("Content-Length is not a number")
    before_reading()
    return _read_exactly(stream, int(lengths[0]))


def _read_exactly(stream: BufferedIOBase, length: int) -> tuple[bytes, bool]:
    if length <= MAX_BODY_BYTES:
        return _read(stream, length), True
    _discard(stream, min(length, _DRAINED_AT_MOST))
    return b"." * (MAX_BODY_BYTES + 1), length <= _DRAINED_AT_MOST


def _read(stream: BufferedIOBase, length: int) -> bytes:
    body = stream.read(length)
    if len(body) < length:
        raise BadRequest("the body broke off")
    return body


def _discard(stream: BufferedIOBase, length: int) -> None:
    """Read on, so that a client that sends before it listens gets to see the answer."""
    while length > 0:
        length -= len(_read(stream, min(length, _PIECE)))


def _read_chunks(stream: BufferedIOBase) -> tuple[bytes, bool]:
    body = bytearray()
    total = 0
    while size := _chunk_size(stream):
        total += size
        if total > _DRAINED_AT_MOST:
            return b"." * (MAX_BODY_BYTES + 1), False
        chunk = _read(stream, size)
        body += chunk[: MAX_BODY_BYTES + 1 - len(body)]
        if _line(stream):
            raise BadRequest("a chunk is longer than it says")
    while _line(stream):
        pass  # trailers
    return bytes(body), True


def _chunk_size(stream: BufferedIOBase) -> int:
    text = _line(stream).split(b";")[0].strip()
    if not text or len(text) > 8 or any(digit not in b"0123456789abcdefABCDEF" for digit in text):
        raise BadRequest("a chunk's length is not a number")
    return int(text, 16)


def _line(stream: BufferedIOBase) -> bytes:
    line = stream.readline(_LONGEST_LINE)
    if not line.endswith(b"\n"):
        raise BadRequest("the body broke off")
    return line.rstrip(b"\r\n")
