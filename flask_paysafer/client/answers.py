"""Read an answer: the object it holds, or the error it is. Pure.

An error's texts come from outside, so they are cleaned; an answer that can't be
read is never quoted.
"""

from __future__ import annotations

import json
import zlib
from typing import Any, TypeVar

from ..errors import (
    APIConnectionError,
    APIError,
    APITimeoutError,
    AuthenticationError,
    CardError,
    IdempotencyError,
    InvalidRequestError,
    NotFoundError,
    Outcome,
    PaySaferError,
    RateLimitError,
    ServerError,
)
from ..redaction import redact
from . import retries
from .operation import Operation
from .readers import UnreadableError
from .wire import Answer, NoAnswer

__all__ = ["MAX_BYTES", "error_of", "no_answer", "request_id", "result_of"]

MAX_BYTES = 16 * 1024 * 1024
"""The largest answer that is read; a page of 100 objects has well under one megabyte."""

T = TypeVar("T")

_CLASSES: dict[int, type[APIError]] = {
    400: InvalidRequestError,
    401: AuthenticationError,
    402: CardError,
    404: NotFoundError,
    409: IdempotencyError,
    422: InvalidRequestError,
    429: RateLimitError,
}
_NO_CONTENT = 204
_SEE_OTHER = 303
_TEXT_LIMIT = 500


def request_id(answer: Answer) -> str | None:
    """Return what PaySafer's support asks for."""
    found = answer.headers.get("x-request-id") or answer.headers.get("request-id")
    return None if found is None else redact(found, limit=200)


def object_of(answer: Answer) -> dict[str, Any]:
    """Return the JSON object of an answer.

    :raises UnreadableError: if it holds something else.
    """
    try:
        decoded = json.loads(_plain_body(answer))
    except (ValueError, RecursionError):
        raise UnreadableError("it is not JSON") from None
    if not isinstance(decoded, dict):
        raise UnreadableError("it is no JSON object")
    return decoded


def _plain_body(answer: Answer) -> bytes:
    if len(answer.body) > MAX_BYTES:
        raise UnreadableError("it is too large")
    encoding = answer.headers.get("content-encoding", "identity").strip().lower()
    if encoding in {"", "identity"}:
        return answer.body
    # We ask for none, but a proxy may not care.
    if encoding != "gzip":
        raise UnreadableError("its content encoding was not asked for")
    return _gunzip(answer.body)


def _gunzip(body: bytes) -> bytes:
    unpacker = zlib.decompressobj(wbits=31)
    try:
        plain = unpacker.decompress(body, MAX_BYTES)
    except zlib.error:
        raise UnreadableError("its compression is broken") from None
    if not unpacker.eof:
        raise UnreadableError("its compressed form is cut off or too large")
    return plain


def error_of(operation: Operation[Any], answer: Answer, *, now: float) -> PaySaferError:
    """Return the error that an answer outside 2xx is."""
    body = _error_body(answer)
    status = answer.status
    cls = _CLASSES.get(status) or (ServerError if status >= 500 else APIError)
    message = _text(body.get("message"), limit=_TEXT_LIMIT) or f"PaySafer answered {status}."
    return cls(
        message,
        type=_text(body.get("type")),
        code=_text(body.get("code")),
        param=_text(body.get("param")),
        doc_url=_text(body.get("doc_url")),
        status=status,
        request_id=request_id(answer),
        outcome=_outcome(operation, status),
        **_details(cls, body, answer, now),
    )


def _outcome(operation: Operation[Any], status: int) -> Outcome:
    # 303 says that the work is done and its result elsewhere; other redirects do no work.
    may_be_done = status >= 500 or status < 300 or status == _SEE_OTHER
    return "unknown" if may_be_done and not operation.is_read else "rejected"


def _error_body(answer: Answer) -> dict[str, Any]:
    try:
        body = object_of(answer).get("error")
    except UnreadableError:
        return {}
    return body if isinstance(body, dict) else {}


def _details(
    cls: type[APIError], body: dict[str, Any], answer: Answer, now: float
) -> dict[str, Any]:
    if cls is RateLimitError:
        return {"retry_after": retries.refusal_delay(answer, now=now)}
    if cls is not CardError:
        return {}
    payment = body.get("payment")
    payment_id = payment.get("id") if isinstance(payment, dict) else payment
    return {"decline_code": _text(body.get("decline_code")), "payment_id": _text(payment_id)}


def _text(value: object, *, limit: int = 200) -> str | None:
    return redact(value, limit=limit) if isinstance(value, str) else None


def result_of(operation: Operation[T], answer: Answer) -> T | PaySaferError:
    """Return what a 2xx holds, or the error that it can't be understood."""
    try:
        decoded = {} if answer.status == _NO_CONTENT else object_of(answer)
        _refuse_other_object(decoded, operation.expected_id)
        return operation.read(decoded)
    except UnreadableError as error:
        reason = str(error)
    return APIError(
        f"PaySafer's answer to {shown(operation)} can't be used: {reason}.",
        status=answer.status,
        request_id=request_id(answer),
        outcome="rejected" if operation.is_read else "unknown",
    )


def _refuse_other_object(decoded: dict[str, Any], expected_id: str | None) -> None:
    # Answers get mixed up where two processes share a connection.
    if expected_id is not None and decoded.get("id") != expected_id:
        raise UnreadableError("it is about another object than the one asked for")


def no_answer(operation: Operation[Any], reply: NoAnswer) -> PaySaferError:
    """Return the error of an attempt that got no answer."""
    cls = APITimeoutError if reply.timed_out else APIConnectionError
    outcome: Outcome = "rejected" if operation.is_read else "unknown"
    if not reply.sent:
        outcome = "not_sent"
    return cls(f"No answer from PaySafer to {shown(operation)} ({reply.reason}).", outcome=outcome)


def shown(operation: Operation[Any]) -> str:
    """Return how a call is named in messages and logs."""
    return f"{operation.method} {redact(operation.path)}"
