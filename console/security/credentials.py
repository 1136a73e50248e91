"""Sessions, API tokens and login links, found by the hash of their secret; failed logins counted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any, Literal

from sqlalchemy import Connection, Row, case, delete, func, or_, select, true, tuple_, update
from sqlalchemy.dialects.postgresql import insert

from console.security.people import ApiToken, LoginLink, Person, Session
from console.security.people import LoginAttempt as Tried
from console.security.random_secrets import hash_of, new_secret

#: A session is ended this long after its login, however often it is used.
MAX_AGE = timedelta(days=7)
#: Times of use are written at most so often.
_NOTED = timedelta(minutes=5)
_DAY = timedelta(days=1)
#: Marks our tokens, for people and for scanners of secrets.
_PREFIX = "wk_"
_now = func.clock_timestamp

Role = Literal["viewer", "operator"]


@dataclass(frozen=True)
class Who:
    """The person who asks."""

    name: str
    role: Role

    @property
    def may_write(self) -> bool:
        return self.role == "operator"


def start_session(connection: Connection, person: str, address: str | None, hours: float) -> str:
    """A new session; returns the cookie's value."""
    secret, hashed = new_secret()
    until = _now() + timedelta(hours=hours)
    made = insert(Session).values(hash=hashed, person=person, address=address, expires_at=until)
    connection.execute(made)
    connection.execute(delete(Session).where(Session.expires_at < _now()))
    return secret


def end_session(connection: Connection, secret: str) -> None:
    connection.execute(delete(Session).where(Session.hash == hash_of(secret)))


def _found(
    connection: Connection, kind: Any, used_at: Any, hashed: bytes, role: Any
) -> Row[Any] | None:
    """The enabled person whose session or token this is, and whether its use is to be noted."""
    note = func.coalesce(used_at < _now() - _NOTED, true()).label("note")
    asked = select(Person.name, Person.role, role.label("own"), note)
    asked = asked.join(kind, kind.person == Person.name)
    good = (kind.hash == hashed, kind.expires_at > _now(), ~Person.disabled)
    return connection.execute(asked.where(*good)).one_or_none()


def by_session(connection: Connection, secret: str, hours: float) -> Who | None:
    """Whose session it is, if it still is one; notes its use."""
    hashed = hash_of(secret)
    found = _found(connection, Session, Session.seen_at, hashed, Person.role)
    if found is not None and found.note:
        until = func.least(_now() + timedelta(hours=hours), Session.created_at + MAX_AGE)
        used = update(Session).where(Session.hash == hashed)
        connection.execute(used.values(seen_at=_now(), expires_at=until))
    return Who(found.name, found.role) if found is not None else None


def by_token(connection: Connection, given: str) -> Who | None:
    """Whose API token it is; its role is the lesser of its own and the person's."""
    hashed = hash_of(given.removeprefix(_PREFIX)) if given.startswith(_PREFIX) else b""
    found = _found(connection, ApiToken, ApiToken.used_at, hashed, ApiToken.role)
    if found is None:
        return None
    if found.note:
        connection.execute(update(ApiToken).where(ApiToken.hash == hashed).values(used_at=_now()))
    return Who(found.name, "operator" if {found.role, found.own} == {"operator"} else "viewer")


def by_link(connection: Connection, secret: str) -> str | None:
    """Whose login link it is; it is used up."""
    used = delete(LoginLink).where(LoginLink.hash == hash_of(secret))
    good = (LoginLink.expires_at > _now()).label("good")
    row = connection.execute(used.returning(LoginLink.person, good)).one_or_none()
    if row is None or not row.good:
        return None
    enabled = select(Person.name).where(Person.name == row.person, ~Person.disabled)
    return connection.execute(enabled).scalar_one_or_none()


def make_token(connection: Connection, who: Who, title: str, role: str, days: int) -> tuple[int, str]:
    """A new API token; its secret is shown this once."""
    secret, hashed = new_secret()
    until = _now() + timedelta(days=days)
    made = insert(ApiToken).values(
        person=who.name, title=title, role=role, hash=hashed, expires_at=until
    )
    return connection.execute(made.returning(ApiToken.id)).scalar_one(), _PREFIX + secret


def tokens_of(connection: Connection, who: Who) -> list[Row[Any]]:
    asked = select(ApiToken.__table__).where(ApiToken.person == who.name).order_by(ApiToken.id)
    return list(connection.execute(asked))


def revoke_token(connection: Connection, who: Who, number: int) -> None:
    connection.execute(delete(ApiToken).where(ApiToken.person == who.name, ApiToken.id == number))


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
    """Count a try, before the password is looked at: after five failures, one a minute is allowed."""
    key = {"name": name[:100], "address": network_of(address)}
    tried = insert(Tried).values(**key, failures=1, tried_at=_now())
    failures = case((Tried.tried_at < _now() - _DAY, 1), else_=Tried.failures + 1)
    again = tried.on_conflict_do_update(
        index_elements=[Tried.name, Tried.address],
        set_={"failures": failures, "tried_at": _now()},
        where=or_(Tried.failures < 5, Tried.tried_at < _now() - timedelta(minutes=1)),
    )
    return connection.execute(again.returning(Tried.failures)).first() is not None


def succeeded(connection: Connection, name: str, address: str) -> None:
    """Forget the failures of this name and address, and some of a day ago."""
    mine = (Tried.name == name[:100]) & (Tried.address == network_of(address))
    old = select(Tried.name, Tried.address).where(Tried.tried_at < _now() - _DAY).limit(100)
    connection.execute(delete(Tried).where(or_(mine, tuple_(Tried.name, Tried.address).in_(old))))
