"""Sessions, API tokens and login links: made, found by the hash of their secret, ended."""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from sqlalchemy import Connection, Row, delete, func, insert, literal_column, select, true, update

from console.security.people import ApiToken, LoginLink, Person, Session

#: A session is ended this long after its login, however often it is used.
MAX_AGE = timedelta(days=7)
#: Times of use are written at most so often.
_NOTED = "interval '5 minutes'"
#: Marks our tokens, for people and for scanners of secrets.
_PREFIX = "wk_"

Role = Literal["viewer", "operator"]


@dataclass(frozen=True)
class Who:
    """The person who asks."""

    name: str
    role: Role
    #: Hash of the session; None for a token.
    session: bytes | None = None

    @property
    def may_write(self) -> bool:
        return self.role == "operator"


def new_secret() -> tuple[str, bytes]:
    """32 random bytes as text, and their hash."""
    made = secrets.token_bytes(32)
    return base64.urlsafe_b64encode(made).rstrip(b"=").decode(), hashlib.sha256(made).digest()


def hash_of(secret: str) -> bytes | None:
    """The hash of a secret; None when it cannot be one."""
    try:
        made = base64.b64decode(secret + "=", altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    return hashlib.sha256(made).digest() if len(made) == 32 else None


def start_session(
    connection: Connection, person: str, address: str | None, hours: float
) -> tuple[str, int]:
    """A new session; returns the cookie's value and how long it lives at most (seconds)."""
    secret, hashed = new_secret()
    until = func.clock_timestamp() + timedelta(hours=hours)
    connection.execute(
        insert(Session).values(hash=hashed, person=person, address=address, expires_at=until)
    )
    connection.execute(delete(Session).where(Session.expires_at < func.clock_timestamp()))
    return secret, int(MAX_AGE.total_seconds())


def end_session(connection: Connection, hashed: bytes) -> None:
    connection.execute(delete(Session).where(Session.hash == hashed))


def by_session(connection: Connection, secret: str, hours: float) -> Who | None:
    """Whose session it is, if it still is one; notes its use."""
    hashed = hash_of(secret)
    if hashed is None:
        return None
    found = connection.execute(
        select(
            Person.name,
            Person.role,
            (Session.seen_at < func.clock_timestamp() - literal_column(_NOTED)).label("note"),
        )
        .join(Session, Session.person == Person.name)
        .where(
            Session.hash == hashed,
            Session.expires_at > func.clock_timestamp(),
            ~Person.disabled,
        )
    ).one_or_none()
    if found is None:
        return None
    if found.note:
        now = func.clock_timestamp()
        connection.execute(
            update(Session)
            .where(Session.hash == hashed)
            .values(
                seen_at=now,
                expires_at=func.least(now + timedelta(hours=hours), Session.created_at + MAX_AGE),
            )
        )
    return Who(found.name, found.role, hashed)


def by_token(connection: Connection, given: str) -> Who | None:
    """Whose API token it is; its role is the lesser of its own and the person's."""
    hashed = hash_of(given.removeprefix(_PREFIX)) if given.startswith(_PREFIX) else None
    if hashed is None:
        return None
    found = connection.execute(
        select(
            Person.name,
            Person.role,
            ApiToken.role.label("own"),
            func.coalesce(
                ApiToken.used_at < func.clock_timestamp() - literal_column(_NOTED), true()
            ).label("note"),
        )
        .join(ApiToken, ApiToken.person == Person.name)
        .where(
            ApiToken.hash == hashed,
            ApiToken.expires_at > func.clock_timestamp(),
            ~Person.disabled,
        )
    ).one_or_none()
    if found is None:
        return None
    if found.note:
        connection.execute(
            update(ApiToken).where(ApiToken.hash == hashed).values(used_at=func.clock_timestamp())
        )
    return Who(found.name, "operator" if {found.role, found.own} == {"operator"} else "viewer")


def by_link(connection: Connection, secret: str) -> str | None:
    """Whose login link it is; it is used up."""
    hashed = hash_of(secret)
    if hashed is None:
        return None
    used = (
        delete(LoginLink)
        .where(LoginLink.hash == hashed)
        .returning(LoginLink.person, (LoginLink.expires_at > func.clock_timestamp()).label("good"))
    )
    row = connection.execute(used).one_or_none()
    if row is None or not row.good:
        return None
    enabled = select(Person.name).where(Person.name == row.person, ~Person.disabled)
    return connection.execute(enabled).scalar_one_or_none()


def make_token(connection: Connection, who: Who, title: str, role: str, days: int) -> tuple[int, str]:
    """A new API token; its secret is shown this once."""
    secret, hashed = new_secret()
    made = insert(ApiToken).values(
        person=who.name, title=title, role=role, hash=hashed,
        expires_at=func.clock_timestamp() + timedelta(days=days),
    ).returning(ApiToken.id)  # fmt: skip
    return connection.execute(made).scalar_one(), _PREFIX + secret


def tokens_of(connection: Connection, who: Who) -> list[Row[Any]]:
    columns = (ApiToken.id, ApiToken.title, ApiToken.role, ApiToken.created_at, ApiToken.used_at,
               ApiToken.expires_at)  # fmt: skip
    asked = select(*columns).where(ApiToken.person == who.name).order_by(ApiToken.id)
    return list(connection.execute(asked))


def revoke_token(connection: Connection, who: Who, number: int) -> bool:
    done = delete(ApiToken).where(ApiToken.person == who.name, ApiToken.id == number)
    return connection.execute(done).rowcount == 1
