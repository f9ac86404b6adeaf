"""Where a request may come from, for merchants who know PaySafer's addresses."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address


def is_allowed(address: str | None, networks: Sequence[IPv4Network | IPv6Network]) -> bool:
    """Tell whether ``address`` lies in one of ``networks``; with none set, any does.

    What is no IP address (a Unix socket's peer has none) lies in no network. An IPv4
    address written as IPv6 (``::ffff:203.0.113.5``) counts as what it is.
    """
    if not networks:
        return True
    try:
        found = ip_address(address or "")
    except ValueError:
        return False
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        found = found.ipv4_mapped
    return any(found in network for network in networks)
