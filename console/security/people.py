"""Tables of schema `console`: people, sessions, tokens, links, failed logins."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from sqlalchemy import ForeignKey, text
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import BigInteger

from workers.db import Base, DefaultNow

#: The SHA-256 of a secret.
Hash = Annotated[bytes, mapped_column(primary_key=True)]


def _in(comment: str) -> dict[str, Any]:
    return {"schema": "console", "comment": comment}


def _person() -> ForeignKey:
    return ForeignKey("console.person.name", onupdate="CASCADE", ondelete="CASCADE")


class Person(Base):
    __tablename__ = "person"
    __table_args__ = (_in("Who may log in to the console; made by celery console person."),)

    name: Mapped[str] = mapped_column(primary_key=True, comment="As the audit names them")
    role: Mapped[str] = mapped_column(comment="viewer | operator")
    password: Mapped[str | None] = mapped_column(
        comment="scrypt, with its parameters and salt; null: no login by password"
    )
    disabled: Mapped[bool] = mapped_column(
        server_default=text("false"), comment="true: nothing of theirs is accepted"
    )
    created_at: Mapped[DefaultNow] = mapped_column(comment="Made at")


class Session(Base):
    __tablename__ = "session"
    __table_args__ = (_in("A browser that is logged in."),)

    hash: Mapped[Hash] = mapped_column(comment="SHA-256 of the 32 random bytes in its cookie")
    person: Mapped[str] = mapped_column(_person(), comment="Who logged in", index=True)
    address: Mapped[str | None] = mapped_column(comment="From where")
    created_at: Mapped[DefaultNow] = mapped_column(comment="Logged in at")
    seen_at: Mapped[DefaultNow] = mapped_column(comment="Last request, to a few minutes")
    expires_at: Mapped[datetime] = mapped_column(
        comment="Not accepted any more from then on", index=True
    )


class ApiToken(Base):
    __tablename__ = "api_token"
    __table_args__ = (_in("Bearer tokens of the API; never more than their person may."),)

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, comment="Key")
    person: Mapped[str] = mapped_column(_person(), comment="Whose it is", index=True)
    title: Mapped[str] = mapped_column(comment="What it is for")
    role: Mapped[str] = mapped_column(
        comment="viewer | operator; the lesser of this and the person's counts"
    )
    hash: Mapped[bytes] = mapped_column(unique=True, comment="SHA-256 of its 32 random bytes")
    created_at: Mapped[DefaultNow] = mapped_column(comment="Made at")
    used_at: Mapped[datetime | None] = mapped_column(comment="Last request, to a few minutes")
    expires_at: Mapped[datetime] = mapped_column(comment="Not accepted any more from then on")


class LoginLink(Base):
    __tablename__ = "login_link"
    __table_args__ = (_in("Links that log in once, on loopback alone; the sandbox makes one."),)

    hash: Mapped[Hash] = mapped_column(comment="SHA-256 of the 32 random bytes in the link")
    person: Mapped[str] = mapped_column(_person(), comment="Who is logged in by it", index=True)
    expires_at: Mapped[datetime] = mapped_column(comment="Not accepted any more from then on")


class LoginAttempt(Base):
    __tablename__ = "login_attempt"
    __table_args__ = (_in("Failed logins by name and address: after five, one try a minute."),)

    name: Mapped[str] = mapped_column(primary_key=True, comment="The name that was given")
    address: Mapped[str] = mapped_column(
        primary_key=True, comment="The network address that it came from"
    )
    failures: Mapped[int] = mapped_column(comment="Since the last success, at most a day ago")
    tried_at: Mapped[datetime] = mapped_column(comment="Last try", index=True)


class IdempotencyKey(Base):
    __tablename__ = "idempotency_key"
    __table_args__ = (_in("Requests that are not done twice, with their answers; a day."),)

    person: Mapped[str] = mapped_column(_person(), primary_key=True, comment="Who asked")
    key: Mapped[str] = mapped_column(primary_key=True, comment="As given by the program")
    fingerprint: Mapped[bytes] = mapped_column(comment="SHA-256 of what was asked")
    status: Mapped[int | None] = mapped_column(comment="HTTP status of the answer")
    answer: Mapped[dict[str, Any] | None] = mapped_column(comment="The answer")
    created_at: Mapped[DefaultNow] = mapped_column(comment="First asked at", index=True)
