"""The schemes that ``PAYSAFER_SIGNATURE_SCHEME`` can select."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from inspect import iscoroutinefunction
from typing import Protocol, TypeGuard, runtime_checkable

from ..errors import ConfigurationError, SignatureVerificationError
from .received import SIGNATURE, require_bytes, require_header
from .refusals import refusal
from .secrets import digest, find_secret, require_secrets, signing_context, verifying_context
from .timestamped import TimestampedScheme


@runtime_checkable
class SignatureScheme(Protocol):
    """How a body is signed. A merchant's own scheme is an object with ``verify``."""

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


class BodyScheme:
    """Lower-case hex HMAC-SHA256 of the body alone.

    The time is not signed, so a copy of a request is as good as the request:
    replays are stopped by the inbox only, which knows each event's id.
    """

    def verify(
        self,
        payload: bytes,
        signature: str | None,
        secrets: Sequence[str],
        *,
        now: float,
        tolerance: float,
    ) -> int:
        """Return the position of the secret that signed ``payload``.

        :raises SignatureVerificationError: for everything else.
        """
        require_bytes(payload)
        header = require_header(signature)
        if SIGNATURE.fullmatch(header) is None:
            raise refusal("header_malformed", "it is not 64 lower-case hex digits")
        return find_secret(secrets, b"", payload, [header])

    def sign(self, payload: bytes, secret: str, *, timestamp: float) -> str:
        """Return the header for ``payload``; ``timestamp`` has no place in it."""
        require_bytes(payload)
        return digest(signing_context(secret), b"", payload)


class MerchantScheme:
    """A merchant's own scheme, held to the same promise: accept clearly or refuse."""

    def __init__(self, scheme: SignatureScheme | SimpleScheme) -> None:
        self._ask = scheme.verify if isinstance(scheme, SignatureScheme) else _one_by_one(scheme)

    def verify(
        self,
        payload: bytes,
        signature: str | None,
        secrets: Sequence[str],
        *,
        now: float,
        tolerance: float,
    ) -> int:
        """Return the position of the secret that the merchant's scheme accepts.

        :raises SignatureVerificationError: for everything else, whatever the
            merchant's code raised.
        """
        require_bytes(payload)
        usable = require_secrets(secrets)
        for secret in usable:
            verifying_context(secret)
        try:
            index: object = self._ask(payload, signature, usable, now=now, tolerance=tolerance)
        except SignatureVerificationError as error:
            raise refusal(error.code or "signature_mismatch", error.message) from error
        except Exception as error:
            raise refusal(
                "signature_mismatch", f"the signature scheme raised {type(error).__name__}"
            ) from error
        if isinstance(index, bool) or not isinstance(index, int) or not 0 <= index < len(usable):
            raise refusal("signature_mismatch", "the signature scheme named no secret")
        return index


SCHEMES: dict[str, TimestampedScheme | BodyScheme] = {
    "timestamped": TimestampedScheme(),
    "body": BodyScheme(),
}
"""The schemes that settings can name."""


def _can_ask(scheme: object) -> TypeGuard[SignatureScheme | SimpleScheme]:
    ask = getattr(scheme, "verify", scheme)
    return callable(ask) and not isinstance(scheme, type) and not iscoroutinefunction(ask)


def _one_by_one(check: SimpleScheme) -> Callable[..., int]:
    def ask(payload: bytes, signature: str | None, secrets: Sequence[str], **_times: float) -> int:
        verdicts = [check(payload, signature, secret) is True for secret in secrets]
        return verdicts.index(True) if True in verdicts else -1

    return ask


def get_scheme(scheme: object) -> SignatureScheme:
    """Return the scheme named ``"timestamped"`` or ``"body"``, or wrap the merchant's.

    :raises ConfigurationError: if ``scheme`` is none of them.
    """
    if isinstance(scheme, str) and scheme in SCHEMES:
        return SCHEMES[scheme]
    if isinstance(scheme, (TimestampedScheme, BodyScheme, MerchantScheme)):
        return scheme
    if _can_ask(scheme):
        return MerchantScheme(scheme)
    raise ConfigurationError(
        'The signature scheme must be "timestamped", "body", a function '
        "check(payload, signature, secret) that returns True or False, or an object with "
        "verify(payload, signature, secrets, *, now, tolerance)."
    )
