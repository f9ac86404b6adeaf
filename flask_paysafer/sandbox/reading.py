"""Read the JSON of a request strictly: bytes from anyone, never an exception but ours."""

from __future__ import annotations

import json
from typing import Any

from flask import Request
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from .failures import ApiError

MAX_BODY_BYTES = 1024 * 1024
"""The largest body that is read at all."""


def read_body(request: Request) -> bytes:
    """Return the request's body.

    :raises ApiError: 413 for one that is too large, 400 for one that breaks off.
    """
    try:
        return request.get_data()
    except RequestEntityTooLarge:
        raise ApiError(
            "body_too_large", f"The body may be at most {MAX_BODY_BYTES} bytes long."
        ) from None
    except (HTTPException, OSError):
        raise ApiError("json_invalid", "The request's body broke off.") from None


def read_json(body: bytes) -> Any:
    """Return what the body says; no body says ``{}``.

    :raises ApiError: 400 for what is not JSON, or JSON that readers disagree about.
    """
    if not body.strip():
        return {}
    try:
        return json.loads(
            body.decode(), parse_constant=_refuse_constant, object_pairs_hook=_without_repetition
        )
    except (ValueError, RecursionError):
        raise ApiError(
            "json_invalid",
            "The body is not valid JSON: UTF-8, no NaN or Infinity, no key twice.",
        ) from None


def _refuse_constant(name: str) -> Any:
    raise ValueError(name)


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice")
    return found
