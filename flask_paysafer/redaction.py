"""Take out of a text what must not be kept, logged or shown.

Keys and signing secrets, card numbers, card verification codes and e-mail
addresses: what PaySafer or a handler says may quote them.
"""

from __future__ import annotations

import re

__all__ = ["redact"]

MAX_LENGTH = 1000

_SECRET = re.compile(r"\b(sk|pk|whsec|sk_test|sk_live|pk_test|pk_live)_[^\s\"'<>,;)\]}]+")
_BEARER = re.compile(r"(?i)\bbearer\s+\S+")
_WORD = re.compile(r"[^\s\"'<>:,;()\[\]{}=]+")
_EMAIL = re.compile(r"(?s).(?:@|%40).")
_CARD_NUMBER = re.compile(r"(?<![0-9A-Za-z_])[0-9](?:[ \-._]{0,2}[0-9]){12,18}(?![0-9])")
_CVC = re.compile(
    r"(?i)\b(cvc2?|cvv2?|csc|cid|security[ _]code|verification[ _](?:code|value))\b"
    r"([\"']?(?:\s*[:=]\s*|\s+(?:is\s+|was\s+)?|\s*\(\s*)[\"']?)[0-9]{3,4}\b"
)


def redact(text: str, *, limit: int = MAX_LENGTH) -> str:
    """Return ``text`` without secrets and personal data, at most ``limit`` characters."""
    # Cut last, so that no half of a number or address stays at the border; but don't
    # search through megabytes of an error page.
    text = text[: 4 * limit]
    text = _BEARER.sub("[key]", _SECRET.sub("[key]", text))
    # Word by word: looked for in the whole text, a long word would be gone through again and
    # again from each of its characters.
    text = _WORD.sub(_without_email, text)
    text = _CARD_NUMBER.sub("[card number]", text)
    text = _CVC.sub(r"\1\2[cvc]", text)
    return text if len(text) <= limit else f"{text[:limit]}…"


def _without_email(word: re.Match[str]) -> str:
    return "[e-mail]" if _EMAIL.search(word[0]) else word[0]
