"""Which addresses may be called."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.upstreams.addresses import SPECIAL, parse, refusal

pytestmark = pytest.mark.outside(4)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.255.255.254", "0.0.0.0", "0.1.2.3", "10.0.0.1", "172.16.0.1", "172.31.255.255",
        "192.168.1.1", "169.254.169.254", "169.254.170.2", "100.64.0.1", "100.100.100.200", "192.0.0.192",
        "168.63.129.16", "198.18.0.1", "192.0.2.1", "198.51.100.7", "203.0.113.9", "224.0.0.1", "239.1.1.1",
        "240.0.0.1", "255.255.255.255", "192.88.99.1",
        "::", "::1", "fe80::1", "fe80::1%eth0", "febf::1", "fec0::1", "fc00::1", "fd00:ec2::254", "ff02::1",
        "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::ffff:10.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1",
        "64:ff9b::169.254.169.254", "64:ff9b:1::8.8.8.8", "2001:db8::1", "2001::1", "2001:0:7f00:1::",
        "2002:7f00:1::", "2002:a9fe:a9fe::", "100::1", "4000::1", "3fff::1", "5f00::1",
    ],
)  # fmt: skip
def test_an_address_that_is_not_public_is_refused_with_a_reason(address: str) -> None:
    parsed = parse(address)
    assert parsed is not None
    assert refusal(parsed)


@pytest.mark.parametrize(
    "address",
    [
        "1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255",
        "128.0.0.0", "169.253.255.255", "172.15.255.255", "172.32.0.0", "192.167.255.255", "192.169.0.0",
        "223.255.255.255", "2606:4700::1111", "2a00:1450:4001::5e", "2001:4860:4860::8888",
        "::ffff:8.8.8.8", "64:ff9b::8.8.8.8",
    ],
)  # fmt: skip
def test_a_public_address_may_be_called(address: str) -> None:
    assert refusal(ip_address(address)) is None


@given(st.ip_addresses())
def test_what_python_calls_private_is_refused_whatever_its_release(address: Any) -> None:
    if address.is_private or address.is_loopback or address.is_link_local or address.is_multicast:
        mapped = getattr(address, "ipv4_mapped", None)
        assert refusal(address) or (mapped and refusal(mapped) is None)


def test_the_owners_list_opens_what_it_names_and_no_more() -> None:
    allowed = (ip_network("10.1.0.0/16"), ip_network("fd00::/64"))

    for address in ("10.1.2.3", "::ffff:10.1.2.3", "64:ff9b::10.1.2.3", "fd00::5"):
        assert refusal(ip_address(address), allowed) is None
    for address in ("10.2.0.1", "::ffff:10.2.0.1", "fd00:0:0:1::5", "127.0.0.1"):
        assert refusal(ip_address(address), allowed)


def test_a_name_is_no_address() -> None:
    for text in ("shop.example", "2130706433", "0x7f.1", "127.1", "0177.0.0.1", ""):
        assert parse(text) is None
    assert len(SPECIAL) > 20
