from __future__ import annotations

from ipaddress import ip_network

import pytest

from flask_paysafer.webhooks.validation import is_allowed

NETWORKS = [ip_network("203.0.113.0/24"), ip_network("2001:db8::/32")]


@pytest.mark.parametrize("address", ["203.0.113.0", "203.0.113.255", "2001:db8::1"])
def test_an_address_inside_a_network_is_allowed(address: str) -> None:
    assert is_allowed(address, NETWORKS)


def test_an_ipv4_address_written_as_ipv6_counts_as_what_it_is() -> None:
    assert is_allowed("::ffff:203.0.113.9", NETWORKS)
    assert not is_allowed("::ffff:198.51.100.9", NETWORKS)


@pytest.mark.parametrize(
    "address",
    ["203.0.114.1", "2001:db9::1", "", None, "unix:", "localhost", "203.0.113.1, 1.2.3.4"],
)
def test_any_other_peer_is_not(address: str | None) -> None:
    assert not is_allowed(address, NETWORKS)


@pytest.mark.parametrize("address", ["203.0.113.1", "", None, "unix:"])
def test_without_networks_everybody_is(address: str | None) -> None:
    assert is_allowed(address, [])
