"""Postgres as the console uses it: one transaction a request, in the role of who asks."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from psycopg.types.datetime import TimestamptzLoader
from sqlalchemy import Connection, event, text

from workers.connections import places
from workers.db import make_engine
from workers.settings import settings

#: Requests that hold a connection at once, a process; as many as the pool has.
MAX_AT_ONCE = 12

#: The role, the audit's actor and its program end with the transaction, behind a pooler too.
_ACT = text(
    "select set_config('role', :role, true), set_config('app.actor', :actor, true),"
    " set_config('application_name', :program, true),"
    # Filters of lists differ too much for one plan.
    " set_config('plan_cache_mode', 'force_custom_plan', true)"
)
_NOT_OURS = text("""
select session_user::text as login, pg_has_role(session_user, to_regrole('service'), 'member')
    or pg_has_role(session_user, to_regrole('owner'), 'member') as too_much
""")


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
        self.engine = make_engine(url.replace("postgresql://", "postgresql+psycopg://", 1), "console")
        event.listen(self.engine, "connect", _prepare)
        self.close = self.engine.dispose

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """One transaction of the console's own login, which reads people and sessions alone."""
        with self.engine.begin() as connection:
            yield connection

    def check_login(self) -> None:
        """WrongLogin when the login could do what no person at the console may."""
        with self.transaction() as connection:
            row = connection.execute(_NOT_OURS).one()
        if row.too_much:
            raise WrongLogin(
                f"the console must not log in to Postgres as {row.login}, a member of service or owner:"
                " WATCHKEEPER_DATABASE_URL must name the login console"
            )


def act_as(connection: Connection, role: str, actor: str, program: str) -> None:
    """From here to the end of the transaction, act in ``role`` for the person ``actor``."""
    connection.execute(_ACT, {"role": role, "actor": actor, "program": program})


def _prepare(connection: Any, _: Any) -> None:
    connection.adapters.register_loader("timestamptz", Infinite)
