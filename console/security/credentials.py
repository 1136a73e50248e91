"""Sessions, API tokens and login links, found by the hash of their secret; failed logins counted."""

import base64
import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Literal

from sqlalchemy import Connection

from console import sql

#: A session is ended this long after its login, however often it is used.
MAX_AGE = timedelta(days=7)
#: Marks our tokens, for people and for scanners of secrets.
_PREFIX = "wk_"

Role = Literal["viewer", "operator"]


@dataclass(frozen=True)
class Who:
    """The person who asks."""

    name: str
    role: Role

    @property
    def may_write(self) -> bool:
        return self.role == "operator"


def new_secret() -> tuple[str, bytes]:
    """32 random bytes as text, and their hash."""
    made = secrets.token_bytes(32)
    return base64.urlsafe_b64encode(made).rstrip(b"=").decode(), hashlib.sha256(made).digest()


def hash_of(secret: str) -> bytes:
    """The hash of a secret; of what cannot be one, a hash that none has."""
    try:
        made = base64.b64decode(secret + "=", altchars=b"-_", validate=True)
    except ValueError:
        return b""
    return hashlib.sha256(made).digest() if len(made) == 32 else b""


def start_session(connection: Connection, person: str, address: str | None, hours: float) -> str:
    """A new session; returns the cookie's value."""
    secret, hashed = new_secret()
    given = {"hash": hashed, "person": person, "address": address, "hours": hours}
    sql.execute(connection, "people.start_session", **given)
    # Deletes those that are over.
    end_session(connection, "")
    return secret


def end_session(connection: Connection, secret: str) -> None:
    sql.execute(connection, "people.end_session", hash=hash_of(secret))


def by_session(connection: Connection, secret: str, hours: float) -> Who | None:
    """Whose session it is, if it still is one; notes its use."""
    return _found(connection, "session", hash_of(secret), hours=hours, max_age=MAX_AGE)


def by_token(connection: Connection, given: str) -> Who | None:
    """Whose API token it is; its role is the lesser of its own and the person's."""
    hashed = hash_of(given.removeprefix(_PREFIX)) if given.startswith(_PREFIX) else b""
    return _found(connection, "token", hashed)


def _found(connection: Connection, kind: str, hashed: bytes, **used: object) -> Who | None:
    found = sql.first(connection, f"people.{kind}", hash=hashed)
    if found is None:
        return None
    if found["note"]:
        sql.execute(connection, f"people.{kind}_used", hash=hashed, **used)
    return Who(found["name"], "operator" if found["role"] == found["own"] == "operator" else "viewer")


def make_token(connection: Connection, who: Who, title: str, role: str, days: int) -> tuple[int, str]:
    """A new API token; its secret is shown this once."""
    secret, hashed = new_secret()
    given = {"person": who.name, "title": title, "role": role, "days": days}
    return sql.scalar(connection, "people.make_token", hash=hashed, **given), _PREFIX + secret


def network_of(address: str) -> str:
    """The address as it is counted: one customer has a whole /64 of IPv6."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return "unknown"
    if isinstance(parsed, IPv6Address):
        return str(parsed.ipv4_mapped or ip_network((parsed, 64), strict=False))
    return str(parsed)


def tried(name: str, address: str) -> dict[str, str]:
    return {"name": name[:100], "address": network_of(address)}
