"""Who asks, and the transaction in which their request is done."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from starlette.requests import HTTPConnection, Request

from console.config import Config
from console.database import MAX_AT_ONCE, Database, act_as
from console.refusals import API, Refusal, Refused, explained, refusal_of
from console.security import credentials
from console.security.credentials import Who


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
    def sent(self) -> Mapping[str, list[str]] | None:
        """That form, as it was sent: name → its values."""
        return getattr(self.request.state, "sent", None)


def config_of(request: HTTPConnection) -> Config:
    found: Config = request.app.state.config
    return found


def database_of(request: HTTPConnection) -> Database:
    found: Database = request.app.state.database
    return found


def who_asks(request: HTTPConnection, connection: Connection) -> Who | None:
    """The person of the API's token, else of the cookie; read from the database each time."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and request.url.path.startswith(API):
        return credentials.by_token(connection, token.strip())
    config = config_of(request)
    return credentials.by_session(
        connection, request.cookies.get(config.cookie, ""), config.session_hours
    )


@contextmanager
def visiting(request: Request) -> Iterator[VisitOf]:
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


def _visit(request: Request) -> Iterator[VisitOf]:
    with visiting(request) as visit:
        yield visit


#: Committed before the response is sent. Waiting requests hold no thread, which those at work need.
Visit = Annotated[VisitOf, Depends(_visit, scope="function", max_concurrency=MAX_AT_ONCE)]
