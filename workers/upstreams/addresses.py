"""Which network addresses may be called: public ones, and those in the owner's list (pure).

``is_private`` and ``is_global`` of ``ipaddress`` differ between releases of Python, so the networks are
listed here.  SQL function ``address_refusal`` has the same list; a test compares the two.
"""

from collections.abc import Iterable
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

LINK_LOCAL = "link-local, where clouds keep their metadata"

#: IANA's special-purpose registries (RFC 6890) and what they leave out; the first that fits names it.
SPECIAL: tuple[tuple[Network, str], ...] = tuple(
    (ip_network(network), meaning)
    for network, meaning in (
        ("0.0.0.0/8", "this host"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "shared by a carrier"),
        ("127.0.0.0/8", "loopback"),
        ("168.63.129.16/32", "metadata of a cloud"),
        ("169.254.0.0/16", LINK_LOCAL),
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "reserved for protocols"),
        ("192.0.2.0/24", "for documentation"),
        ("192.88.99.0/24", "a 6to4 relay"),
        ("192.168.0.0/16", "private"),
        ("198.18.0.0/15", "for benchmarks"),
        ("198.51.100.0/24", "for documentation"),
        ("203.0.113.0/24", "for documentation"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved"),
        ("::/128", "this host"),
        ("::1/128", "loopback"),
        ("fc00::/7", "private"),
        ("fe80::/10", LINK_LOCAL),
        ("fec0::/10", "private"),
        ("ff00::/8", "multicast"),
        ("2001::/23", "reserved for protocols"),
        ("2001:db8::/32", "for documentation"),
        ("2002::/16", "a 6to4 tunnel"),
        ("3fff::/20", "for documentation"),
    )
)  # fmt: skip
#: All of IPv6 that is given out; what is outside of it is reserved.
_GIVEN_OUT = IPv6Network("2000::/3")
#: Addresses whose last 32 bits are an IPv4 address that is reached through them (RFC 4291, RFC 6052).
_MAPPED = IPv6Network("::ffff:0:0/96")
_NAT64 = IPv6Network("64:ff9b::/96")


def parse(text: str) -> Address | None:
    """An address as a socket names it (without an IPv6 zone), or None for a name."""
    try:
        return ip_address(text.partition("%")[0])
    except ValueError:
        return None


def refusal(address: Address, allowed: Iterable[Network] = ()) -> str | None:
    """Why this address is not called, in words; None when it may be."""
    if isinstance(address, IPv6Address) and (address in _MAPPED or address in _NAT64):
        networks = tuple(allowed)
        if any(address in network for network in networks):
            return None
        return refusal(IPv4Address(int(address) & 0xFFFF_FFFF), networks)
    why = next((meaning for network, meaning in SPECIAL if address in network), None)
    if why is None and address.version == 6 and address not in _GIVEN_OUT:
        why = "reserved"
    return None if why is None or any(address in network for network in allowed) else why
