"""The public way to verify a webhook outside the route, and to sign one in a test."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

from .. import signing
from ..errors import ConfigurationError, InvalidPayloadError, SignatureVerificationError
from ..events import Event
from ..profile import ApiProfile

_DEFAULT_SCHEME = "timestamped"


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
        scheme: object = _DEFAULT_SCHEME,
        headers: Mapping[str, str] | None = None,
        profile: ApiProfile | None = None,
    ) -> Event:
        """Return the event in ``payload`` if one of the secrets signed these bytes, recently.

        :param payload: The request's bytes as they came, such as
            ``request.get_data()``: JSON that was parsed and written again does not match.
        :param signature: The ``PaySafer-Signature`` header; None where there was none.
        :param secret: ``whsec_…``, or several of them while one is being replaced.
        :param tolerance: The greatest age in seconds, inclusive. 0 allows none:
            no value switches the check off. A profile whose retries are not signed anew
            raises it to 35 hours.
        :param now: Unix seconds; the clock's by default.
        :param scheme: As ``PAYSAFER_SIGNATURE_SCHEME``; by default the profile's.
        :param headers: The request's, for ``"standard-webhooks"``, which signs two of them.
        :param profile: What this account's API looks like, where it is not as assumed.
        :raises SignatureVerificationError: for whatever is not authentic, and where
            ``secret``, ``tolerance``, ``now``, ``scheme`` or ``profile`` can't be used.
            ``error.code`` tells which, in one word.
        :raises InvalidPayloadError: if the body is authentic, but is no event, or its id is
            not the one that ``"standard-webhooks"`` has in a header.
        :raises TypeError: if ``payload`` is not bytes.
        """
        # Whole seconds like the signature's own: the same second is no age at all.
        moment = int(time.time()) if now is None else now
        chosen, known = _usable_scheme(scheme, profile)
        secrets = (secret,) if isinstance(secret, str) else secret
        allowed = tolerance if known is None else _covering(known, tolerance)
        chosen.verify(payload, signature, secrets, now=moment, tolerance=allowed, headers=headers)
        return read_event(payload, known, chosen.message_id(headers))

    @staticmethod
    def sign(
        payload: bytes,
        secret: str,
        *,
        timestamp: float | None = None,
        profile: ApiProfile | None = None,
    ) -> str:
        """Return the ``PaySafer-Signature`` header for ``payload``, for tests.

        :param timestamp: Unix seconds; the clock's by default.
        :param profile: What this account's API looks like, where it is not as assumed. If its
            scheme signs other headers too, use :meth:`signed_headers`.
        :raises ConfigurationError: if ``secret`` can't be used.
        :raises TypeError: if ``payload`` is not bytes, or ``timestamp`` no number.
        """
        known = profile or ApiProfile()
        headers = Webhook.signed_headers(payload, secret, timestamp=timestamp, profile=known)
        return headers[known.headers.signature]

    @staticmethod
    def signed_headers(
        payload: bytes,
        secret: str,
        *,
        timestamp: float | None = None,
        profile: ApiProfile | None = None,
    ) -> dict[str, str]:
        """Return all headers that a delivery of ``payload`` is signed with, for tests.

        The arguments and errors are those of :meth:`sign`.
        """
        known = profile or ApiProfile()
        scheme = signing.get_scheme(known.webhooks.scheme, known)
        moment = time.time() if timestamp is None else timestamp
        return scheme.sign(payload, secret, timestamp=moment, message_id=message_id_of(payload))


def read_event(payload: bytes, profile: ApiProfile | None, signed_id: str | None) -> Event:
    """Return the event in authentic bytes.

    :param signed_id: The id that was signed beside the body, where the scheme does so.
    :raises InvalidPayloadError: if it is no event, or not the one of that id.
    """
    event = Event.from_json(payload, profile)
    if signed_id is not None and signed_id != event["id"]:
        raise InvalidPayloadError(
            'The event\'s "id" is not the one that its headers are signed with.'
        )
    return event


def message_id_of(payload: bytes) -> str:
    """Return the id of the event in ``payload``, to sign it with; ``"none"`` if it has none."""
    try:
        found: Any = json.loads(payload)["id"]
    except (ValueError, TypeError, KeyError, IndexError, RecursionError):
        return "none"
    return found if signing.is_message_id(found) else "none"


def _usable_scheme(scheme: object, profile: object) -> tuple[signing.Scheme, ApiProfile | None]:
    if profile is not None and not isinstance(profile, ApiProfile):
        raise SignatureVerificationError(
            f"profile must be an ApiProfile, not {type(profile).__name__}.", code="check_unusable"
        )
    if profile is not None and isinstance(scheme, str) and scheme == _DEFAULT_SCHEME:
        scheme = profile.webhooks.scheme
    try:
        return signing.get_scheme(scheme, profile), profile
    except ConfigurationError as error:
        raise SignatureVerificationError(error.message, code="check_unusable") from None


def _covering(profile: ApiProfile, tolerance: float) -> float:
    # What is no age at all is left for the scheme to refuse.
    return profile.covering(tolerance) if type(tolerance) in {int, float} else tolerance
