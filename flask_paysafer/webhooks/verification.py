"""The public way to verify a webhook outside the route, and to sign one in a test."""

from __future__ import annotations

import time
from collections.abc import Sequence

from .. import signing
from ..errors import ConfigurationError, SignatureVerificationError
from ..events import Event


class Webhook:
    """Verify and sign webhook bodies. No instance is needed; the calls are PaySafer's own SDK's."""

    @staticmethod
    def verify(
        payload: bytes,
        signature: str | None,
        secret: str | Sequence[str],
        *,
        tolerance: float = 300,
        now: float | None = None,
        scheme: object = "timestamped",
    ) -> Event:
        """Return the event in ``payload`` if one of the secrets signed these bytes, recently.

        :param payload: The request's bytes as they came, such as
            ``request.get_data()``: JSON that was parsed and written again does not match.
        :param signature: The ``PaySafer-Signature`` header; None where there was none.
        :param secret: ``whsec_…``, or several of them while one is being replaced.
        :param tolerance: The greatest age in seconds, inclusive. 0 allows none:
            no value switches the check off.
        :param now: Unix seconds; the clock's by default.
        :param scheme: As ``PAYSAFER_SIGNATURE_SCHEME``.
        :raises SignatureVerificationError: for whatever is not authentic, and where
            ``secret``, ``tolerance``, ``now`` or ``scheme`` can't be used.
            ``error.code`` tells which, in one word.
        :raises InvalidPayloadError: if the body is authentic, but is no event.
        :raises TypeError: if ``payload`` is not bytes.
        """
        # Whole seconds like the signature's own: the same second is no age at all.
        moment = int(time.time()) if now is None else now
        chosen = _usable_scheme(scheme)
        secrets = (secret,) if isinstance(secret, str) else secret
        chosen.verify(payload, signature, secrets, now=moment, tolerance=tolerance)
        return Event.from_json(payload)

    @staticmethod
    def sign(payload: bytes, secret: str, *, timestamp: float | None = None) -> str:
        """Return the ``PaySafer-Signature`` header for ``payload``, for tests.

        :param timestamp: Unix seconds; the clock's by default.
        :raises ConfigurationError: if ``secret`` can't be used.
        :raises TypeError: if ``payload`` is not bytes, or ``timestamp`` no number.
        """
        moment = time.time() if timestamp is None else timestamp
        return signing.TimestampedScheme().sign(payload, secret, timestamp=moment)


def _usable_scheme(scheme: object) -> signing.SignatureScheme:
    try:
        return signing.get_scheme(scheme)
    except ConfigurationError as error:
        raise SignatureVerificationError(error.message, code="check_unusable") from None
