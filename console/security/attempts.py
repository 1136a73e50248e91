"""Failed logins, counted in Postgres: after five of a name and address, one try a minute."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address, ip_network

from sqlalchemy import Connection

from console.sql import statement

#: Counts the try before the password is looked at, so that tries made at once count too.
_TRY = statement("attempts", "try")
_FORGET = statement("attempts", "forget")


def network_of(address: str) -> str:
    """The address as it is counted: one customer has a whole /64 of IPv6."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return "unknown"
    if isinstance(parsed, IPv6Address):
        return str(parsed.ipv4_mapped or ip_network((parsed, 64), strict=False))
    return str(parsed)


def may_try(connection: Connection, name: str, address: str) -> bool:
    """Count a try; False when it is not allowed now."""
    found = connection.execute(_TRY, {"name": name[:100], "address": network_of(address)}).first()
    return found is not None


def succeeded(connection: Connection, name: str, address: str) -> None:
    """Forget the failures of this name and address, and some of a day ago."""
    connection.execute(_FORGET, {"name": name[:100], "address": network_of(address)})
