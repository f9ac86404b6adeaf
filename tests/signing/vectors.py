"""Reads ``vectors.json``: signatures made with openssl, each with what has to become of it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Vector:
    """One case; the types are loose, because wrong types are among the cases."""

    name: str
    payload: bytes
    signature: Any
    secrets: Any
    now: Any
    tolerance: Any
    scheme: Any
    accept: bool
    reason: str | None
    """The error's ``code`` where the case is refused."""


def load_vectors() -> list[Vector]:
    """Return every case of the file."""
    data = json.loads(Path(__file__).with_name("vectors.json").read_text())
    payloads = {name: bytes.fromhex(text) for name, text in data["payloads_hex"].items()}
    return [_read(case, payloads) for case in data["cases"]]


def _read(case: dict[str, Any], payloads: dict[str, bytes]) -> Vector:
    fields = {key: case[key] for key in ("name", "secrets", "now", "tolerance", "scheme", "accept")}
    return Vector(
        payload=payloads[case["payload"]],
        signature=_signature(case["signature"]),
        reason=case.get("reason"),
        **fields,
    )


def _signature(value: Any) -> Any:
    if isinstance(value, dict):  # a header too long to be written out
        return value["repeat"] + value["fill"] * value["times"]
    return value
