"""Read a response: the object it holds, or the error it is. Pure.

An error's texts come from outside, so they are redacted; a response that can't be read is
never quoted.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
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
from ..pagination import Listed
from ..profile import ApiProfile, at
from ..redaction import redact
from ..resources import Resource, make, parse
from .operation import NoResponse, Operation, Response

__all__ = [
    "MAX_BYTES",
    "UnreadableError",
    "any_reader",
    "error_of",
    "no_response",
    "object_reader",
    "page_reader",
    "request_id",
    "result_of",
    "shown",
]

MAX_BYTES = 16 * 1024 * 1024
"""The largest response that is read; a page of 100 objects has well under one megabyte."""

T = TypeVar("T")
R = TypeVar("R", bound=Resource)

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
_NO_OBJECT = "it is no JSON object"
_PROBE = "if this account's API differs, flask paysafer probe finds out how"


class UnreadableError(Exception):
    """The response is not what PaySafer answers. The text says why, and quotes nothing."""


def object_reader(cls: type[R], profile: ApiProfile) -> Callable[[Any], R]:
    """Return the function that makes one object of a response's JSON."""

    def read(decoded: Any) -> R:
        if not isinstance(decoded, dict):
            raise UnreadableError(_NO_OBJECT)
        if not isinstance(decoded.get("id"), str):
            raise UnreadableError("it has no id")
        return make(cls, decoded, profile) if profile.translates else cls(decoded)

    return read


def any_reader(profile: ApiProfile) -> Callable[[Any], Resource]:
    """Return the function that makes of a response's JSON what its ``object`` field names."""

    def read(decoded: Any) -> Resource:
        if not isinstance(decoded, dict):
            raise UnreadableError(_NO_OBJECT)
        return parse(decoded, profile=profile)

    return read


def page_reader(
    cls: type[R], profile: ApiProfile, *, asked: int, is_backwards: bool
) -> Callable[[Any], Listed[R]]:
    """Return the function that makes one page of a response's JSON.

    :param asked: How many objects the page can have.
    """
    lists = profile.lists

    def read(decoded: Any) -> Listed[R]:
        items = lists.items_of(decoded)
        if items is None:
            raise UnreadableError(f"it is no list; {_PROBE}")
        if not all(isinstance(item, dict) and isinstance(item.get("id"), str) for item in items):
            raise UnreadableError("it lists something that has no id")
        if lists.has_more and not lists.next and not isinstance(at(decoded, lists.has_more), bool):
            raise UnreadableError(f"it does not say whether there is more; {_PROBE}")
        return Listed(
            [make(cls, item, profile) for item in items],
            has_more=not lists.is_last(decoded, asked=asked),
            cursor=lists.cursor_of(decoded),
            is_backwards=is_backwards,
        )

    return read


def result_of(
    operation: Operation[T], response: Response, profile: ApiProfile
) -> T | PaySaferError:
    """Return what a 2xx holds, or the error that it can't be understood."""
    try:
        decoded = {} if response.status == _NO_CONTENT else _decoded(response)
        _refuse_other_object(decoded, operation.expected_id)
        return operation.read(decoded)
    except UnreadableError as error:
        reason = str(error)
    return APIError(
        f"PaySafer's answer to {shown(operation)} can't be used: {reason}.",
        status=response.status,
        request_id=request_id(response, profile),
        outcome="rejected" if operation.is_read else "unknown",
    )


def _decoded(response: Response) -> Any:
    try:
        return json.loads(_plain_body(response))
    except (ValueError, RecursionError):
        raise UnreadableError("it is not JSON") from None


def _plain_body(response: Response) -> bytes:
    if len(response.body) > MAX_BYTES:
        raise UnreadableError("it is too large")
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding in {"", "identity"}:
        return response.body
    # We ask for none, but a proxy may not care.
    if encoding != "gzip":
        raise UnreadableError("its content encoding was not asked for")
    return _gunzip(response.body)


def _gunzip(body: bytes) -> bytes:
    unpacker = zlib.decompressobj(wbits=31)
    try:
        plain = unpacker.decompress(body, MAX_BYTES)
    except zlib.error:
        raise UnreadableError("its compression is broken") from None
    if not unpacker.eof:
        raise UnreadableError("its compressed form is cut off or too large")
    return plain


def _refuse_other_object(decoded: Any, expected_id: str | None) -> None:
    # Responses get mixed up where two processes share a connection.
    if expected_id is None or not isinstance(decoded, dict):
        return
    if decoded.get("id") != expected_id:
        raise UnreadableError("it is about another object than the one asked for")


def error_of(
    operation: Operation[Any],
    response: Response,
    profile: ApiProfile,
    *,
    retry_after: float | None,
) -> PaySaferError:
    """Return the error that a response outside 2xx is.

    :param retry_after: Seconds that the response asks to wait.
    """
    body = _error_body(response)
    status = response.status
    cls = _CLASSES.get(status) or (ServerError if status >= 500 else APIError)
    message = _text(body.get("message"), limit=_TEXT_LIMIT) or f"PaySafer answered {status}."
    details: dict[str, Any] = {}
    if cls is RateLimitError:
        details["retry_after"] = retry_after
    elif cls is CardError:
        details = _card_details(body)
    return cls(
        message,
        type=_text(body.get("type")),
        code=_text(body.get("code")),
        param=_text(body.get("param")),
        doc_url=_text(body.get("doc_url")),
        status=status,
        request_id=request_id(response, profile),
        outcome=_outcome(operation, status),
        **details,
    )


def _outcome(operation: Operation[Any], status: int) -> Outcome:
    # 303 says that the work is done and its result elsewhere; other redirects do no work.
    may_be_done = status >= 500 or status < 300 or status == _SEE_OTHER
    return "unknown" if may_be_done and not operation.is_read else "rejected"


def _error_body(response: Response) -> dict[str, Any]:
    try:
        decoded = _decoded(response)
    except UnreadableError:
        return {}
    body = decoded.get("error") if isinstance(decoded, dict) else None
    return body if isinstance(body, dict) else {}


def _card_details(body: dict[str, Any]) -> dict[str, Any]:
    payment = body.get("payment")
    payment_id = payment.get("id") if isinstance(payment, dict) else payment
    return {"decline_code": _text(body.get("decline_code")), "payment_id": _text(payment_id)}


def _text(value: object, *, limit: int = 200) -> str | None:
    return redact(value, limit=limit) if isinstance(value, str) else None


def request_id(response: Response, profile: ApiProfile) -> str | None:
    """Return the request's id, which PaySafer's support asks for."""
    for name in profile.headers.request_id:
        if found := response.headers.get(name.lower()):
            return redact(found, limit=200)
    return None


def no_response(operation: Operation[Any], lost: NoResponse) -> PaySaferError:
    """Return the error of an attempt that got no response."""
    cls = APITimeoutError if lost.timed_out else APIConnectionError
    outcome: Outcome = "rejected" if operation.is_read else "unknown"
    if not lost.sent:
        outcome = "not_sent"
    return cls(f"No answer from PaySafer to {shown(operation)} ({lost.reason}).", outcome=outcome)


def shown(operation: Operation[Any]) -> str:
    """Return how a call is named in messages and logs."""
    return f"{operation.method} {redact(operation.path)}"
