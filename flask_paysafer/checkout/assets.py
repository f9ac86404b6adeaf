"""The checkout's style sheet and script, with the digests that browsers check them by."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files

STYLE = "paysafer-checkout.css"
SCRIPT = "paysafer-checkout.js"

_TYPES = {STYLE: "text/css; charset=utf-8", SCRIPT: "text/javascript; charset=utf-8"}


@dataclass(eq=False, repr=False)
class Asset:
    """One file as it is served."""

    name: str
    content: bytes
    content_type: str

    @cached_property
    def integrity(self) -> str:
        """What the tag's ``integrity`` holds (Subresource Integrity)."""
        digest = hashlib.sha384(self.content).digest()
        return f"sha384-{base64.b64encode(digest).decode()}"

    @cached_property
    def version(self) -> str:
        """Changes with the content, so that browsers may keep the file for ever."""
        return hashlib.sha256(self.content).hexdigest()[:12]


@cache
def asset(name: str) -> Asset:
    """Return the file of that name.

    :raises KeyError: if there is none.
    """
    content_type = _TYPES[name]
    content = files(__package__).joinpath("static", name).read_bytes()
    return Asset(name, content, content_type)
