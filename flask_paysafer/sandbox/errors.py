"""Errors of the API: one table of statuses and codes, so that a code is renamed in one place."""

from __future__ import annotations

from typing import Any

_INVALID = "invalid_request_error"

STATUS_AND_TYPE: dict[str, tuple[int, str]] = {
    "json_invalid": (400, _INVALID),
    "parameter_missing": (400, _INVALID),
    "parameter_invalid": (400, _INVALID),
    "parameter_unknown": (400, _INVALID),
    "reference_missing": (400, _INVALID),
    "api_key_missing": (401, _INVALID),
    "api_key_invalid": (401, _INVALID),
    "secret_key_required": (401, _INVALID),
    "host_not_allowed": (403, _INVALID),
    "resource_missing": (404, _INVALID),
    "url_unknown": (404, _INVALID),
    "route_assumed": (404, _INVALID),
    "method_not_allowed": (405, _INVALID),
    "idempotency_key_reused": (409, _INVALID),
    "idempotency_key_in_use": (409, _INVALID),
    "body_too_large": (413, _INVALID),
    "payment_unexpected_state": (422, _INVALID),
    "amount_too_large": (422, _INVALID),
    "payment_already_refunded": (422, _INVALID),
    "payment_disputed": (422, _INVALID),
    "balance_insufficient": (422, _INVALID),
    "rate_limit_exceeded": (429, "rate_limit_error"),
    "internal_error": (500, "api_error"),
}
"""The status and the type of each failure."""

_SHOWN_CODES = {"reference_missing": "resource_missing"}
"""A body that names an unknown object says what an unknown address says, with another status."""

_DOCUMENTATION = "https://docs.paysafer.me/errors#"


class ApiError(Exception):
    """A call that is answered with an error and leaves nothing behind.

    :param failure: A key of ``STATUS_AND_TYPE``.
    :param param: The field of the request that is wrong.
    """

    def __init__(self, failure: str, message: str, *, param: str | None = None) -> None:
        super().__init__(message)
        self.status, self.type = STATUS_AND_TYPE[failure]
        self.code = _SHOWN_CODES.get(failure, failure)
        self.message = message
        self.param = param

    def body(self) -> dict[str, Any]:
        """Return the JSON that PaySafer documents for errors."""
        return error_body(self.type, self.code, self.message, param=self.param)


def error_body(
    kind: str, code: str, message: str, *, param: str | None = None, **more: Any
) -> dict[str, Any]:
    """Return an error's JSON; ``more`` are fields that belong to one kind of error only."""
    error: dict[str, Any] = {"type": kind, "code": code, "message": message}
    if param is not None:
        error["param"] = param
    return {"error": {**error, "doc_url": _DOCUMENTATION + code, **more}}


def invalid(param: str, message: str) -> ApiError:
    """Return the error for a field whose type or value is wrong."""
    return ApiError("parameter_invalid", f"Invalid value for {param}: {message}", param=param)
