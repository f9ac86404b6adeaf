"""Keep payloads encrypted at rest where keys are set.

The first key encrypts, any decrypts: put a new key in front to rotate, and drop
the old one once no row needs it.
"""

from __future__ import annotations

from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from ..errors import PayloadUnreadableError


class Seal:
    """Encrypts and decrypts payloads; without keys it passes them through."""

    def __init__(self, keys: Sequence[str] = ()) -> None:
        self._fernet = MultiFernet([Fernet(key) for key in keys]) if keys else None

    @property
    def encrypts(self) -> bool:
        """Whether payloads are stored encrypted."""
        return self._fernet is not None

    def close(self, payload: bytes) -> bytes:
        """Return ``payload`` as it is stored."""
        return self._fernet.encrypt(payload) if self._fernet else payload

    def open(self, stored: bytes, *, encrypted: bool) -> bytes:
        """Return the payload as it came in.

        :raises PayloadUnreadableError: if no key that is set fits.
        """
        if not encrypted:
            return stored
        if self._fernet is None:
            raise PayloadUnreadableError(
                "This payload is encrypted and no key is set: set the inbox's encryption key again."
            )
        try:
            return self._fernet.decrypt(stored)
        except InvalidToken:
            raise PayloadUnreadableError(
                "This payload was encrypted with a key that is not among those set: "
                "add the earlier key behind the present one."
            ) from None

    def try_open(self, stored: bytes, *, encrypted: bool) -> bytes | None:
        """Return the payload as it came in, or None if no key that is set fits."""
        try:
            return self.open(stored, encrypted=encrypted)
        except PayloadUnreadableError:
            return None

    def renew(self, stored: bytes, *, encrypted: bool) -> bytes:
        """Return the payload encrypted with the first key.

        :raises PayloadUnreadableError: if no key that is set fits.
        """
        return self.close(self.open(stored, encrypted=encrypted))
