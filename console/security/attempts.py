"""Failed logins, counted in Postgres: after five of a name and address, one try a minute."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address, ip_network

from sqlalchemy import Connection, case, delete, func, literal_column, or_, select, tuple_
from sqlalchemy.dialects.postgresql import insert

from console.security.people import LoginAttempt as Tried

_DAY_AGO = func.clock_timestamp() - literal_column("interval '1 day'")
_MINUTE_AGO = func.clock_timestamp() - literal_column("interval '1 minute'")


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
    """Count a try, before the password is looked at; False when it is not allowed now."""
    now = func.clock_timestamp()
    key = {"name": name[:100], "address": network_of(address)}
    tried = insert(Tried).values(**key, failures=1, tried_at=now)
    again = tried.on_conflict_do_update(
        index_elements=[Tried.name, Tried.address],
        set_={
            "failures": case((Tried.tried_at < _DAY_AGO, 1), else_=Tried.failures + 1),
            "tried_at": now,
        },
        where=or_(Tried.failures < 5, Tried.tried_at < _MINUTE_AGO),
    )
    return connection.execute(again.returning(Tried.failures)).first() is not None


def succeeded(connection: Connection, name: str, address: str) -> None:
    """Forget the failures of this name and address, and some of a day ago."""
    mine = (Tried.name == name[:100]) & (Tried.address == network_of(address))
    key = tuple_(Tried.name, Tried.address)
    old = select(Tried.name, Tried.address).where(Tried.tried_at < _DAY_AGO).limit(100)
    connection.execute(delete(Tried).where(or_(mine, key.in_(old))))
