"""Decide whether a webhook body came from PaySafer, and recently.

Rules of this file: no Flask, no JSON, no clock. Callers pass bytes and the time, so each
way to fail can be tested with plain values. What comes in is hostile: work is bounded by
the header's length and the body's, and whatever is not authentic ends in
``SignatureVerificationError``, whose ``code`` is one of :data:`REASONS` and whose message
holds no secret and no expected value.

How PaySafer signs is an assumption (it documents the header's name only), so several
schemes are known; ``webhooks.scheme`` of the profile or ``PAYSAFER_SIGNATURE_SCHEME``
chooses one, or the merchant gives his own.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from hmac import compare_digest
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any, Protocol, TypeGuard, runtime_checkable

from .errors import ConfigurationError, SignatureVerificationError
from .profile import ApiProfile

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.hmac import HMAC

__all__ = [
    "REASONS",
    "Scheme",
    "SignatureScheme",
    "fingerprint",
    "get_scheme",
    "header_of",
    "is_message_id",
    "unusable_secret",
]

REASONS = {
    "signature_missing": "no signature came with the body",
    "header_malformed": "the signature is not of the form that the scheme asks for",
    "timestamp_too_old": "the signature is older than the tolerance",
    "timestamp_in_future": "the signature is from the future",
    "signature_mismatch": "no configured secret made this signature over these bytes",
    "secret_unusable": "there is no secret to check the signature with",
    "check_unusable": "the tolerance, the time or the scheme can't be used",
}
"""What ``SignatureVerificationError.code`` can be, with its meaning."""

MAX_HEADER_LENGTH = 2048
MAX_SIGNATURES = 8
MAX_FUTURE_SECONDS = 60
"""How far ahead a sender's clock may be."""
LATEST = 10**12
"""Where time ends here, in unix seconds: what a timestamp can hold in 12 digits."""

_SECRET = re.compile(r"whsec_[!#-&(-+\--~]{10,}")  # printable ASCII but space, comma and quotes
_HEX = re.compile(r"[0-9a-f]{64}")
_BASE64 = re.compile(r"[A-Za-z0-9+/]{43}=")  # of 32 bytes
_BASE64_SECRET = re.compile(r"whsec_[A-Za-z0-9+/]+={0,2}")
_USUAL_HEADER = re.compile(r"t=([0-9]{1,12}),v1=([0-9a-f]{64})")
_DIGITS = re.compile(r"[0-9]{1,12}")
_MESSAGE_ID = re.compile(r"[!-\-/-~]{1,255}")  # printable ASCII but the dot, which ends it

Headers = Any
"""The request's headers: a mapping, or anything else with ``items()``."""


@runtime_checkable
class SignatureScheme(Protocol):
    """A merchant's own scheme: an object with ``verify``."""

    def verify(
        self,
        payload: bytes,
        signature: str | None,
        secrets: Sequence[str],
        *,
        now: float,
        tolerance: float,
    ) -> int:
        """Return the position of the secret that signed ``payload``; raise otherwise."""


SimpleScheme = Callable[[bytes, "str | None", str], bool]
"""The short form of a merchant's scheme: ``check(payload, signature, secret)``.

It is asked once for each secret, and only ``True`` itself accepts.
"""


class Scheme:
    """One of the known schemes, as a profile has its headers."""

    signs_time = False
    """Whether a signature can be too old. Otherwise only the inbox stops replays."""

    def verify(
        self,
        payload: bytes,
        signature: str | None,
        secrets: Sequence[str],
        *,
        now: float,
        tolerance: float,
        headers: Headers | None = None,
    ) -> int:
        """Return the position of the secret that signed ``payload``, recently.

        :param tolerance: the greatest age in seconds, inclusive. 0 allows none.
        :param headers: of the request, for a scheme that signs some of them.
        :raises SignatureVerificationError: for everything else.
        :raises TypeError: if ``payload`` is not bytes.
        """
        raise NotImplementedError

    def sign(
        self, payload: bytes, secret: str, *, timestamp: float, message_id: str = ""
    ) -> dict[str, str]:
        """Return the headers of a delivery of ``payload``, signed at ``timestamp``.

        :param message_id: The event's id, for a scheme that signs it.
        :raises ConfigurationError: if ``secret`` can't be used.
        :raises TypeError: if ``payload`` is not bytes, or ``timestamp`` no number.
        :raises ValueError: for a time before 1970 or far in the future.
        """
        raise NotImplementedError

    def message_id(self, headers: Headers | None) -> str | None:
        """Return the signed id of the event, for a scheme that signs one in the headers."""
        return None


class TimestampedScheme(Scheme):
    """``t=<unix seconds>,v1=<hex>``: HMAC-SHA256 over the time, a dot and the body."""

    signs_time = True

    def __init__(self, profile: ApiProfile) -> None:
        self._header = profile.headers.signature

    def verify(
        self,
        payload: bytes,
        signature: str | None,
        secrets: Sequence[str],
        *,
        now: float,
        tolerance: float,
        headers: Headers | None = None,
    ) -> int:
        """See :meth:`Scheme.verify`."""
        _require_bytes(payload)
        timestamp, candidates = _read_timestamped(signature)
        _check_age(int(timestamp), now, tolerance)
        return _find_secret(secrets, timestamp.encode() + b".", payload, candidates)

    def sign(
        self, payload: bytes, secret: str, *, timestamp: float, message_id: str = ""
    ) -> dict[str, str]:
        """See :meth:`Scheme.sign`."""
        _require_bytes(payload)
        seconds = _whole_seconds(timestamp)
        signature = _digest(_signing_context(secret), b"%d." % seconds, payload).hex()
        return {self._header: f"t={seconds},v1={signature}"}


class BodyScheme(Scheme):
    """HMAC-SHA256 of the body alone, in lower-case hex or in base64.

    The time is not signed, so a copy of a request is as good as the request: replays are
    stopped by the inbox only, which knows each event's id.
    """

    def __init__(self, profile: ApiProfile, *, is_base64: bool = False) -> None:
        self._header = profile.headers.signature
        self._form = _BASE64 if is_base64 else _HEX
        self._encode: Callable[[bytes], str] = _base64 if is_base64 else bytes.hex
        self._allowed = "44 characters of base64" if is_base64 else "64 lower-case hex digits"

    def verify(
        self,
        payload: bytes,
        signature: str | None,
        secrets: Sequence[str],
        *,
        now: float,
        tolerance: float,
        headers: Headers | None = None,
    ) -> int:
        """See :meth:`Scheme.verify`."""
        _require_bytes(payload)
        header = _require_header(signature)
        if self._form.fullmatch(header) is None:
            raise _refusal("header_malformed", f"it is not {self._allowed}")
        return _find_secret(secrets, b"", payload, [header], encode=self._encode)

    def sign(
        self, payload: bytes, secret: str, *, timestamp: float, message_id: str = ""
    ) -> dict[str, str]:
        """See :meth:`Scheme.sign`; ``timestamp`` has no place in it."""
        _require_bytes(payload)
        return {self._header: self._encode(_digest(_signing_context(secret), b"", payload))}


class StandardScheme(Scheme):
    """As https://www.standardwebhooks.com says: the event's id and the time are signed too.

    The key is what the secret has after ``whsec_``, decoded from base64; the header holds
    one or more ``v1,<base64>`` with spaces between them, and others that are ignored.
    """

    signs_time = True

    def __init__(self, profile: ApiProfile) -> None:
        self._header = profile.headers.signature
        self._id_header = profile.webhooks.id_header
        self._timestamp_header = profile.webhooks.timestamp_header

    def verify(
        self,
        payload: bytes,
        signature: str | None,
        secrets: Sequence[str],
        *,
        now: float,
        tolerance: float,
        headers: Headers | None = None,
    ) -> int:
        """See :meth:`Scheme.verify`; whether the id is the event's is for the caller to see."""
        _require_bytes(payload)
        candidates = _read_versions(_require_header(signature))
        message_id = self.message_id(headers)
        timestamp = header_of(headers, self._timestamp_header)
        if not is_message_id(message_id):
            raise _refusal("header_malformed", f"{self._id_header} is not there once, as an id")
        if timestamp is None or _DIGITS.fullmatch(timestamp) is None:
            raise _refusal(
                "header_malformed", f"{self._timestamp_header} is not there once, as unix seconds"
            )
        _check_age(int(timestamp), now, tolerance)
        prefix = f"{message_id}.{timestamp}.".encode()
        return _find_secret(
            secrets, prefix, payload, candidates, encode=_base64, context=_standard_context
        )

    def message_id(self, headers: Headers | None) -> str | None:
        """See :meth:`Scheme.message_id`."""
        return header_of(headers, self._id_header)

    def sign(
        self, payload: bytes, secret: str, *, timestamp: float, message_id: str = ""
    ) -> dict[str, str]:
        """See :meth:`Scheme.sign`.

        :raises ValueError: also for a ``message_id`` that can't be signed.
        """
        _require_bytes(payload)
        seconds = _whole_seconds(timestamp)
        if not is_message_id(message_id):
            raise ValueError("message_id must be 1 to 255 printable ASCII characters, no dot.")
        _require_usable(unusable_secret(secret, "standard-webhooks"))
        prefix = f"{message_id}.{seconds}.".encode()
        signature = _base64(_digest(_standard_context(secret), prefix, payload))
        return {
            self._id_header: message_id,
            self._timestamp_header: str(seconds),
            self._header: f"v1,{signature}",
        }


class MerchantScheme(Scheme):
    """A merchant's own scheme, held to the same promise: accept clearly or refuse."""

    def __init__(self, scheme: SignatureScheme | SimpleScheme, profile: ApiProfile) -> None:
        self._header = profile.headers.signature
        self._sign = getattr(scheme, "sign", None)
        self._ask = scheme.verify if isinstance(scheme, SignatureScheme) else _one_by_one(scheme)

    def verify(
        self,
        payload: bytes,
        signature: str | None,
        secrets: Sequence[str],
        *,
        now: float,
        tolerance: float,
        headers: Headers | None = None,
    ) -> int:
        """Return the position of the secret that the merchant's scheme accepts.

        :raises SignatureVerificationError: for everything else, whatever the
            merchant's code raised.
        """
        _require_bytes(payload)
        usable = _require_secrets(secrets)
        for secret in usable:
            _verifying_context(secret)
        try:
            index: object = self._ask(payload, signature, usable, now=now, tolerance=tolerance)
        except SignatureVerificationError as error:
            raise _refusal(error.code or "signature_mismatch", error.message) from error
        except Exception as error:
            raise _refusal(
                "signature_mismatch", f"the signature scheme raised {type(error).__name__}"
            ) from error
        if isinstance(index, bool) or not isinstance(index, int) or not 0 <= index < len(usable):
            raise _refusal("signature_mismatch", "the signature scheme named no secret")
        return index

    def sign(
        self, payload: bytes, secret: str, *, timestamp: float, message_id: str = ""
    ) -> dict[str, str]:
        """See :meth:`Scheme.sign`.

        :raises ConfigurationError: if the merchant's scheme can't sign.
        """
        if not callable(self._sign):
            raise ConfigurationError(
                "The signature scheme is one of your own that can't sign. Give it a method "
                "sign(payload, secret, *, timestamp) that returns the header."
            )
        return {self._header: self._sign(payload, secret, timestamp=timestamp)}


_SCHEMES: dict[str, Callable[[ApiProfile], Scheme]] = {
    "timestamped": TimestampedScheme,
    "body": BodyScheme,
    "body-base64": lambda profile: BodyScheme(profile, is_base64=True),
    "standard-webhooks": StandardScheme,
}


def get_scheme(scheme: object, profile: ApiProfile | None = None) -> Scheme:
    """Return the scheme of that name, or wrap the merchant's.

    :param profile: Whose headers it uses; the usual ones of the scheme by default.
    :raises ConfigurationError: if ``scheme`` is none.
    """
    if isinstance(scheme, str) and scheme in _SCHEMES:
        return _known_scheme(scheme, profile)
    if isinstance(scheme, Scheme):
        return scheme
    if _can_ask(scheme):
        return MerchantScheme(scheme, profile or ApiProfile())
    names = ", ".join(f'"{name}"' for name in _SCHEMES)
    raise ConfigurationError(
        f"The signature scheme must be {names}, a function "
        "check(payload, signature, secret) that returns True or False, or an object with "
        "verify(payload, signature, secrets, *, now, tolerance)."
    )


@lru_cache(maxsize=64)
def _known_scheme(name: str, profile: ApiProfile | None) -> Scheme:
    return _SCHEMES[name]((profile or ApiProfile()).with_scheme(name))


def _can_ask(scheme: object) -> TypeGuard[SignatureScheme | SimpleScheme]:
    ask = getattr(scheme, "verify", scheme)
    return callable(ask) and not isinstance(scheme, type) and not iscoroutinefunction(ask)


def _one_by_one(check: SimpleScheme) -> Callable[..., int]:
    def ask(payload: bytes, signature: str | None, secrets: Sequence[str], **_times: float) -> int:
        verdicts = [check(payload, signature, secret) is True for secret in secrets]
        return verdicts.index(True) if True in verdicts else -1

    return ask


def unusable_secret(secret: object, scheme: object = "timestamped") -> str | None:
    """Return why ``secret`` can't be a signing secret, or None if it can.

    :param scheme: ``"standard-webhooks"`` asks for base64.
    """
    if not isinstance(secret, str):
        return f"it is no text but {type(secret).__name__}"
    if not secret.strip():
        return "it is blank"
    if not secret.startswith("whsec_"):
        return "it does not start with whsec_"
    if _SECRET.fullmatch(secret) is None:
        return (
            "after whsec_ it must hold at least 10 printable ASCII characters, "
            "none of them a space, comma or quote"
        )
    if scheme == "standard-webhooks" and _decoded(secret) is None:
        return "what it holds after whsec_ is not base64, as standard-webhooks asks for"
    return None


def fingerprint(secret: str) -> str:
    """Return eight hex digits that tell secrets apart and are safe to store and show."""
    return hashlib.sha256(secret.encode()).hexdigest()[:8]


def is_message_id(value: object) -> bool:
    """Whether ``value`` can be signed as the id of an event."""
    return isinstance(value, str) and _MESSAGE_ID.fullmatch(value) is not None


def header_of(headers: Any, name: str) -> str | None:
    """Return the one header of that name, in any case; None if there is none, or several."""
    try:
        found = [value for key, value in headers.items() if key.lower() == name.lower()]
    except Exception:  # noqa: BLE001 (whatever was passed as headers holds none)
        return None
    return found[0] if len(found) == 1 and isinstance(found[0], str) else None


def _refusal(code: str, detail: str = "") -> SignatureVerificationError:
    """Return the error to raise; ``detail`` must hold no secret and no expected value."""
    reason = REASONS.get(code, code)
    return SignatureVerificationError(f"{reason}: {detail}" if detail else reason, code=code)


def _require_bytes(payload: object) -> None:
    """Refuse text and buffers: what was decoded or may change is not what was signed."""
    if not isinstance(payload, bytes):
        raise TypeError(
            f"payload must be the request's raw bytes, not {type(payload).__name__}: "
            "in Flask, request.get_data()."
        )


def _require_header(signature: object) -> str:
    """Return the header if HTTP can carry it and its length bounds the work."""
    if signature is None:
        raise _refusal("signature_missing")
    if not isinstance(signature, str):
        raise _refusal("header_malformed", f"it is {type(signature).__name__}, not text")
    if len(signature) > MAX_HEADER_LENGTH:
        raise _refusal("header_malformed", f"it is longer than {MAX_HEADER_LENGTH} bytes")
    if not signature.isascii() and max(signature) > "\xff":
        raise _refusal("header_malformed", "it holds characters that no header can carry")
    return signature


def _read_timestamped(signature: object) -> tuple[str, list[str]]:
    """Return the time as it was written, and every signature, in one pass."""
    usual = _USUAL_HEADER.fullmatch(signature) if isinstance(signature, str) else None
    if usual is not None:  # spares nearly every delivery the loop, which reads it the same
        return usual[1], [usual[2]]
    header = _require_header(signature)
    timestamp = None
    candidates = []
    for pair in header.split(","):
        name, equals, value = pair.partition("=")
        if name == "v1":
            if _HEX.fullmatch(value) is None:
                raise _refusal("header_malformed", "a v1 is not 64 lower-case hex digits")
            candidates.append(value)
        elif name == "t":
            if timestamp is not None or _DIGITS.fullmatch(value) is None:
                raise _refusal("header_malformed", "t must be there once, as unix seconds")
            timestamp = value
        elif not equals or name.strip() in ("t", "v1"):
            # Spaces around a name are how some servers join two headers into one.
            raise _refusal("header_malformed", "it has a part that is no plain name=value pair")
    if timestamp is None or not 1 <= len(candidates) <= MAX_SIGNATURES:
        raise _refusal("header_malformed", f"it needs one t and 1 to {MAX_SIGNATURES} v1")
    return timestamp, candidates


def _read_versions(header: str) -> list[str]:
    """Return every ``v1`` of a header such as ``v1,<base64> v1a,<base64>``."""
    candidates = []
    for part in header.split(" "):
        version, comma, value = part.partition(",")
        if version == "v1":
            if _BASE64.fullmatch(value) is None:
                raise _refusal("header_malformed", "a v1 is not 44 characters of base64")
            candidates.append(value)
        elif not comma or not version or version.strip() == "v1":
            raise _refusal("header_malformed", "it has a part that is no plain version,value pair")
    if not 1 <= len(candidates) <= MAX_SIGNATURES:
        raise _refusal("header_malformed", f"it needs 1 to {MAX_SIGNATURES} v1")
    return candidates


def _check_age(timestamp: int, now: object, tolerance: object) -> None:
    age = _number(now, "now") - timestamp
    if age > _number(tolerance, "tolerance"):
        raise _refusal("timestamp_too_old", f"{age:.0f} s old, {tolerance} s allowed")
    if age < -MAX_FUTURE_SECONDS:
        raise _refusal("timestamp_in_future", f"{-age:.0f} s ahead, {MAX_FUTURE_SECONDS} s allowed")


def _number(value: object, name: str) -> float:
    """Return a plausible number of seconds: NaN or infinity would switch the check off."""
    if not isinstance(value, (int, float)) or value is True or value is False:
        raise _refusal("check_unusable", f"{name} must be a number of seconds")
    if not 0 <= value < LATEST:
        raise _refusal("check_unusable", f"{name} must be at least 0 and below {LATEST}")
    return value


def _whole_seconds(timestamp: object) -> int:
    if isinstance(timestamp, bool) or not isinstance(timestamp, (int, float)):
        raise TypeError("timestamp must be a number of unix seconds.")
    if not 0 <= timestamp < LATEST:
        raise ValueError(f"timestamp must be unix seconds, at least 0 and below {LATEST}.")
    return int(timestamp)


def _require_secrets(secrets: object) -> Sequence[str]:
    """Return one secret or several as a sequence that is not empty."""
    if isinstance(secrets, str):
        return (secrets,)
    # The abstract class is asked last: it takes longer than the rest of this file's Python.
    if not isinstance(secrets, (tuple, list, Sequence)) or not secrets:
        raise _refusal("secret_unusable")
    return secrets


def _digest(context: HMAC, prefix: bytes, payload: bytes) -> bytes:
    """Return the HMAC of ``prefix`` and ``payload`` on a copy of ``context``."""
    mac = context.copy()
    mac.update(prefix)
    mac.update(payload)
    return mac.finalize()


def _base64(digest: bytes) -> str:
    return binascii.b2a_base64(digest, newline=False).decode()


def _require_usable(reason: str | None) -> None:
    if reason is not None:
        raise ConfigurationError(f"The webhook secret can't be used: {reason}.")


def _signing_context(secret: str) -> HMAC:
    """Return the HMAC to sign with.

    :raises ConfigurationError: if ``secret`` can't be used.
    """
    _require_usable(unusable_secret(secret))
    return _context(secret)


def _verifying_context(secret: object) -> HMAC:
    """Return the HMAC to check with; refuse the signature if ``secret`` can't be used."""
    if not isinstance(secret, str):
        raise _refusal("secret_unusable", unusable_secret(secret) or "")
    return _context(secret)


def _standard_context(secret: object) -> HMAC:
    """Return the HMAC to check with, keyed with the bytes that ``secret`` is the base64 of."""
    if not isinstance(secret, str):
        raise _refusal("secret_unusable", unusable_secret(secret) or "")
    return _decoded_context(secret)


@lru_cache(maxsize=64)
def _context(secret: str) -> HMAC:
    """Return the HMAC with its key worked in; a copy of it costs a third of a fresh one."""
    reason = unusable_secret(secret)
    if reason is not None:
        raise _refusal("secret_unusable", reason)
    return _keyed(secret.encode())


@lru_cache(maxsize=64)
def _decoded_context(secret: str) -> HMAC:
    key, reason = _decoded(secret), unusable_secret(secret, "standard-webhooks")
    if key is None or reason is not None:
        raise _refusal("secret_unusable", reason or "")
    return _keyed(key)


def _decoded(secret: str) -> bytes | None:
    """Return the key that ``secret`` is the base64 of; its padding may be left out."""
    if _BASE64_SECRET.fullmatch(secret) is None:
        return None
    text = secret.removeprefix("whsec_").rstrip("=")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except binascii.Error:
        return None


def _keyed(key: bytes) -> HMAC:
    # Imported on first use: it costs more than the rest of this package together.
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.hmac import HMAC

    return HMAC(key, SHA256())


def _find_secret(
    secrets: object,
    prefix: bytes,
    payload: bytes,
    candidates: Sequence[str],
    *,
    encode: Callable[[bytes], str] = bytes.hex,
    context: Callable[[object], HMAC] = _verifying_context,
) -> int:
    """Try every secret against every signature: the time taken must not tell which fits."""
    found = -1
    contexts = [*map(context, _require_secrets(secrets))]  # all, before any is tried
    for index, keyed in enumerate(contexts):
        expected = encode(_digest(keyed, prefix, payload))
        for candidate in candidates:
            if compare_digest(expected, candidate):
                found = index
    if found < 0:
        raise _refusal("signature_mismatch")
    return found
