"""Who asks, and the transaction of Postgres in which their request is done, in their role."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any, cast

from fastapi import Depends
from psycopg.types.datetime import TimestamptzLoader
from sqlalchemy import Connection, event
from sqlalchemy.exc import DBAPIError
from starlette.datastructures import ImmutableMultiDict
from starlette.requests import HTTPConnection, Request

from console import sql
from console.config import Config
from console.refusals import API, Refusal, Refused, explained, refusal_of
from console.security import credentials
from console.security.credentials import Who
from workers.connections import places
from workers.db import make_engine
from workers.settings import settings

#: Requests that hold a connection at once, a process; as many as the pool has.
MAX_AT_ONCE = 12


class WrongLogin(Exception):
    """The database login may do more than the console's may."""


class Infinite(TimestamptzLoader):
    """Times as Postgres has them; infinite ones, which Python cannot hold, as text."""

    def load(self, data: Any) -> Any:
        written = bytes(data).decode()
        return written if written.endswith("infinity") else super().load(data)


class Database:
    def __init__(self, url: str) -> None:
        #: For a LISTEN connection (holds the password).
        self.url = url
        places.be_service()
        # Its pool, and the one that listens.
        places.reserve("console", settings().connections + 1)
        self.engine = make_engine(url, "console")
        event.listen(self.engine, "connect", _prepare)
        #: One transaction of the console's own login, which reads people and sessions alone.
        self.transaction = self.engine.begin
        self.close = self.engine.dispose

    def check_login(self) -> None:
        """WrongLogin when the login could do what no person at the console may."""
        with self.transaction() as connection:
            row = sql.rows(connection, "people.login")[0]
        if row["too_much"]:
            raise WrongLogin(
                f"the console must not log in to Postgres as {row['login']}, a member of service or"
                " owner: WATCHKEEPER_DATABASE_URL must name the login console"
            )


def act_as(connection: Connection, role: str, actor: str, program: str) -> None:
    """From here to the end of the transaction, act in ``role`` for the person ``actor``."""
    sql.execute(connection, "people.act_as", role=role, actor=actor, program=program)


def _prepare(connection: Any, _: Any) -> None:
    connection.adapters.register_loader("timestamptz", Infinite)


#: A form that was sent: a field's last value, or all of them.
Sent = ImmutableMultiDict[str, str]


class LoginNeeded(Exception):
    """Nobody is logged in, or no longer."""


@dataclass(frozen=True)
class VisitOf:
    """A request of a person: its connection acts in their role and under their name."""

    request: Request
    person: Who
    connection: Connection

    @property
    def refusal(self) -> Refusal | None:
        """Why the form was refused whose page is drawn again."""
        return getattr(self.request.state, "refusal", None)

    @property
    def sent(self) -> Sent | None:
        """That form, as it was sent."""
        return getattr(self.request.state, "sent", None)


def config_of(request: HTTPConnection) -> Config:
    return cast("Config", request.app.state.config)


def database_of(request: HTTPConnection) -> Database:
    return cast("Database", request.app.state.database)


def who_asks(request: HTTPConnection, connection: Connection) -> Who | None:
    """The person of the API's token, else of the cookie; read from the database each time."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and request.url.path.startswith(API):
        return credentials.by_token(connection, token.strip())
    config = config_of(request)
    secret = request.cookies.get(config.cookie, "")
    return credentials.by_session(connection, secret, config.session_hours)


def _visit(request: Request) -> Iterator[VisitOf]:
    """One transaction for the person who asks; LoginNeeded when there is none."""
    database, person = database_of(request), None
    program = "console api" if request.url.path.startswith(API) else "console"
    try:
        with database.transaction() as connection:
            person = who_asks(request, connection)
            if person is None:
                raise LoginNeeded
            act_as(connection, person.role, person.name, program)
            yield VisitOf(request, person, connection)
    except DBAPIError as error:
        if person is None or getattr(error.orig, "sqlstate", None) != "42501":
            raise
        # The transaction is over: the reason is asked for in another one.
        with database.transaction() as connection:
            act_as(connection, person.role, person.name, program)
            raise Refused(explained(connection, refusal_of(error))) from error


visiting = contextmanager(_visit)
#: Committed before the response is sent. Waiting requests hold no thread, which those at work need.
Visit = Annotated[VisitOf, Depends(_visit, scope="function", max_concurrency=MAX_AT_ONCE)]
