"""How a command reaches the database, and its errors as a person reads them."""

from __future__ import annotations

import errno
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

import click

from workers.cli import surface
from workers.cli.output import INTERRUPTED, NOT_FOUND, REFUSED, UNREACHABLE, USAGE, fail, say
from workers.connections.postgres import (
    READ_ONLY,
    READ_ONLY_WORDS,
    connect_args,
    database_dsn,
    is_pooled,
)
from workers.errors import SettingWrong
from workers.text.misfits import misfit, taken

if TYPE_CHECKING:
    from sqlalchemy import Connection

#: "permission denied for table schedule", "… for sequence schedule_edit_id_seq".
_NAME = re.compile(r"for (?:table|view|sequence|relation) (\S+)")
#: The reason in libpq's text: `connection to server at "::1", port 5432 failed: Connection refused`.
_REASON = re.compile(r".*failed: (?:FATAL:  )?(.*)")
#: Who asks, and where: the audit and the hints of the database read them.
SESSION = """
select set_config('app.actor', %(actor)s, %(local)s), set_config('app.surface', %(prefix)s, %(local)s)
"""


def connect() -> Any:
    """A connection whose edits are audited under the user's name and the program's."""
    import psycopg
    from psycopg.rows import dict_row

    arguments = {**connect_args(surface.program()), "connect_timeout": 5}
    if is_pooled():
        arguments["cursor_factory"] = _telling_cursor()
    try:
        connection = psycopg.connect(database_dsn(), autocommit=True, row_factory=dict_row, **arguments)
    except psycopg.ProgrammingError:
        fail(
            "WATCHKEEPER_DATABASE_URL is not a database address",
            "write postgresql://user:password@host:port/database", UNREACHABLE,
        )  # fmt: skip
    connection.add_notice_handler(_print_notice)
    _read_infinity(connection)
    if not is_pooled():
        connection.execute(SESSION, _who(local=False))
    return connection


def read(statement: str, values: Any = None) -> list[dict[str, Any]]:
    with connect() as connection:
        rows: list[dict[str, Any]] = connection.execute(statement, values).fetchall()
        return rows


def _telling_cursor() -> Any:
    """Behind a pooler the session is everybody's: each transaction is told who asks."""
    import psycopg

    class Telling(psycopg.Cursor[Any]):
        def execute(self, *args: Any, **how: Any) -> Any:
            with self.connection.transaction():
                super().execute(SESSION, _who(local=True))
                return super().execute(*args, **how)

    return Telling


def _who(*, local: bool) -> dict[str, Any]:
    return {"actor": surface.actor(), "prefix": surface.prefix(), "local": local}


def _read_infinity(connection: Any) -> None:
    """Read infinite times (paused without end), which Python cannot hold, as text."""
    from psycopg.types.datetime import TimestamptzLoader

    class Loader(TimestamptzLoader):
        def load(self, data: Any) -> Any:
            text = bytes(data).decode()
            return text if text.endswith("infinity") else super().load(data)

    connection.adapters.register_loader("timestamptz", Loader)


def _print_notice(notice: Any) -> None:
    say(f"notice: {notice.message_primary}", err=True)
    if notice.message_hint:
        say(f"hint:   {notice.message_hint}", err=True)


@contextmanager
def database() -> Iterator[Connection]:
    """One transaction whose errors are psycopg's, for `readable_errors`."""
    from sqlalchemy.exc import DBAPIError

    from workers.db import driver, transaction

    try:
        with transaction() as connection:
            driver(connection).execute(SESSION, _who(local=True))
            yield connection
    except DBAPIError as error:
        if error.orig is None:
            raise
        raise error.orig from None


@contextmanager
def readable_errors() -> Iterator[None]:
    """Database errors become message, reason and hint with an exit code; never a traceback."""
    try:
        yield
    except SettingWrong as error:
        fail(str(error), "correct the variable: docs/reference/settings.md has all", USAGE)
    except KeyboardInterrupt:
        click.echo("interrupted", err=True)
        sys.exit(INTERRUPTED)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        fail("there is no space left where the output goes", "free some, or write elsewhere", USAGE)
    except Exception as error:
        # Help and completion do without the driver.
        psycopg = sys.modules.get("psycopg")
        if psycopg is None or not isinstance(error, psycopg.Error):
            raise
        if isinstance(error, psycopg.OperationalError) and _is_unreachable(error.sqlstate):
            fail(*unreachable(str(error)), UNREACHABLE)
        _fail_with(error)


def _is_unreachable(sqlstate: str | None) -> bool:
    return sqlstate is None or sqlstate.startswith(("08", "28", "3D", "53", "57P"))


def unreachable(said: str) -> tuple[str, str]:
    """A sentence with host, port and reason (never a password), and what to do about it."""
    from psycopg.conninfo import conninfo_to_dict

    parts = conninfo_to_dict(database_dsn())
    host, port = parts.get("host") or "the local socket", parts.get("port") or 5432
    reasons = _REASON.findall(said) or [said.strip().splitlines()[0] if said.strip() else "no answer"]
    reason = reasons[-1].strip()
    where = f"the database at {host}, port {port}"
    if any(word in reason for word in ("resolve", "translate", "not known")):
        reason = "its name cannot be resolved"
        hint = f"no machine is called {host}: correct WATCHKEEPER_DATABASE_URL"
    elif "invalid" in reason:
        hint = "write WATCHKEEPER_DATABASE_URL as postgresql://user:password@host:port/database"
    elif any(word in reason for word in ("password", "role", "does not exist", "pg_hba")):
        hint = f"user {parts.get('user')}, database {parts.get('dbname')}: see WATCHKEEPER_DATABASE_URL"
    else:
        hint = "does Postgres run there?  WATCHKEEPER_DATABASE_URL says where to look"
    return f"{where} is out of reach: {reason}", hint


def _fail_with(error: Any) -> NoReturn:
    """Print the database's message, reason and hint; a CHECK constraint's name is its message."""
    if error.diag.message_primary == "permission denied for schema console":
        hint = "log in as an owner: WATCHKEEPER_DATABASE_URL"
        fail("this login may not see or change who may log in", hint, REFUSED)
    diag = (_reason_for_viewer(error.diag) if error.diag.sqlstate == "42501" else None) or error.diag
    message, why = diag.message_primary or str(error), diag.message_detail
    if diag.sqlstate == "23514" and diag.constraint_name:
        message, why = diag.constraint_name, None
    if diag.sqlstate == READ_ONLY:
        message, hint = READ_ONLY_WORDS
        fail(message, hint, UNREACHABLE)
    if diag.sqlstate == "23505" and (said := taken(diag.table_name, why)):
        message, why = said[0], None
    if diag.sqlstate == "55P03":
        message = f"locked by another session: {message}"
    if diag.sqlstate in {"42P01", "42883"}:
        fail("the database has no tables of Watchkeeper, or those of another version",
             "run python -m workers.migrate", UNREACHABLE, why=message)  # fmt: skip
    if (wrong := misfit(message)) and (not diag.message_hint or "DateStyle" in diag.message_hint):
        fail(f"{_option_of(wrong.value)}{wrong}", wrong.hint, REFUSED)
    fail(message, diag.message_hint, NOT_FOUND if diag.sqlstate == "P0002" else REFUSED, why=why)


def _option_of(value: str | None) -> str:
    context = click.get_current_context(silent=True)
    for param in context.command.params if context else ():
        if context and param.name and value and str(context.params.get(param.name)) == value:
            return f"{param.opts[0] if param.opts[0].startswith('-') else param.human_readable_name} "
    return ""


def _reason_for_viewer(diag: Any) -> Any:
    """The reason that require_operator gives a viewer, who has no grant that would fire a trigger."""
    import psycopg

    if diag.message_hint or not diag.message_primary.startswith("permission denied"):
        return None
    name = _NAME.search(diag.message_primary)
    try:
        with connect() as connection:
            connection.execute(
                "select require_operator(to_regclass(%s), 'change')", (name and name.group(1),)
            )
    except psycopg.errors.InsufficientPrivilege as refusal:
        return refusal.diag
    except psycopg.Error:
        return None
    return None
