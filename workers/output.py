"""Output of our commands: tables on a terminal, tabs in a pipe, JSON on request; exit codes."""

from __future__ import annotations

import functools
import json
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NoReturn, ParamSpec, TypeVar
from uuid import UUID

import click

from workers.text import printable

if TYPE_CHECKING:
    from rich.text import Text
    from sqlalchemy import Connection

#: "permission denied for table schedule", "… for sequence schedule_edit_id_seq".
_NAME = re.compile(r"for (?:table|view|sequence|relation) (\S+)")
P = ParamSpec("P")
T = TypeVar("T")

DONE, FAILED, USAGE, NOT_FOUND, REFUSED, UNREACHABLE, INTERRUPTED = 0, 1, 2, 3, 4, 5, 130


def say(text: str = "", *, err: bool = False, nl: bool = True) -> None:
    click.echo(printable(text, lines=True), err=err, nl=nl)


def connect() -> Any:
    """A connection whose edits are audited under the user's name and "celery schedule"."""
    import psycopg
    from psycopg.rows import dict_row

    from workers.db import connect_args
    from workers.settings import settings

    arguments = {**connect_args("celery schedule"), "connect_timeout": 5}
    connection = psycopg.connect(
        settings().libpq_dsn, autocommit=True, row_factory=dict_row, **arguments
    )
    connection.add_notice_handler(_print_notice)
    _read_infinity(connection)
    actor = os.environ.get("WATCHKEEPER_ACTOR") or os.environ.get("USER") or ""
    if actor:
        connection.execute("select set_config('app.actor', %s, false)", (actor,))
    return connection


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
    """One transaction whose errors are psycopg's, for `handle_db_errors`."""
    from sqlalchemy.exc import DBAPIError

    from workers.db import transaction

    try:
        with transaction() as connection:
            yield connection
    except DBAPIError as error:
        if error.orig is None:
            raise
        raise error.orig from None


def fail(message: str, hint: str | None, status: int, *, why: str | None = None) -> NoReturn:
    error = printable(f"error: {message}", lines=True)
    click.secho(error, fg=None if "NO_COLOR" in os.environ else "red", err=True)
    if why:
        say(f"why:   {why}", err=True)
    if hint:
        say(f"hint:  {hint}", err=True)
    sys.exit(status)


def confirm(question: str, *, yes: bool) -> None:
    """Ask on a terminal; elsewhere ``--yes`` is needed.  Exits when the answer is no."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError(f"{question}  This is no terminal: give --yes.")
    if not click.confirm(printable(question), err=True):
        click.echo("nothing was changed", err=True)
        sys.exit(FAILED)


def handle_db_errors(command: Callable[P, T]) -> Callable[P, T]:
    """Print database errors as message, reason and hint with an exit code; never a traceback."""

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> T:
        import psycopg

        try:
            return command(*args, **kwargs)
        except KeyboardInterrupt:
            click.echo("interrupted", err=True)
            sys.exit(INTERRUPTED)
        except psycopg.Error as error:
            if isinstance(error, psycopg.OperationalError) and _is_unreachable(error.sqlstate):
                fail(
                    f"the database is out of reach: {str(error).strip().splitlines()[-1]}",
                    "check WATCHKEEPER_DATABASE_URL",
                    UNREACHABLE,
                )
            _fail_with(error)

    return wrapped


def _is_unreachable(sqlstate: str | None) -> bool:
    """Whether the connection or the server failed, not the statement."""
    return sqlstate is None or sqlstate.startswith(("08", "28", "3D", "53", "57P"))


def _fail_with(error: Any) -> NoReturn:
    """Print the database's message, reason and hint; a CHECK constraint's name is its message."""
    diag = (_reason_for_viewer(error.diag) if error.diag.sqlstate == "42501" else None) or error.diag
    message, why = diag.message_primary or str(error), diag.message_detail
    if diag.sqlstate == "23514" and diag.constraint_name:
        message, why = diag.constraint_name, None
    if diag.sqlstate == "55P03":
        message = f"locked by another session: {message}"
    fail(message, diag.message_hint, NOT_FOUND if diag.sqlstate == "P0002" else REFUSED, why=why)


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


def plain(value: Any) -> Any:
    """A value for JSON: ISO times, lengths of time in seconds."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Decimal):
        return f"{value:f}"
    return str(value) if isinstance(value, UUID) else value


def show(rows: Sequence[dict[str, Any]], columns: Sequence[str], *, as_json: bool = False) -> None:
    """Print rows: a table on a terminal, tab-separated lines in a pipe, or JSON."""
    if as_json:
        click.echo(json.dumps([{k: plain(v) for k, v in row.items()} for row in rows], default=str))
        return
    if not sys.stdout.isatty():
        click.echo("\t".join(columns))
        for row in rows:
            say("\t".join(" ".join(_text(row[c]).split()) for c in columns))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, header_style="bold")
    for column in columns:
        table.add_column(column.replace("_", " ").upper(), overflow="fold")
    for row in rows:
        table.add_row(*(_coloured(row[column]) for column in columns))
    Console(highlight=False).print(table)


def _text(value: Any) -> str:
    """A value as a cell: times to the second, null empty, no control characters."""
    if isinstance(value, datetime):
        return value.isoformat(sep=" ", timespec="seconds")
    if isinstance(value, Decimal):
        # Digits, never 3.1E-7.
        return f"{value:f}"
    return "" if value is None else printable(str(value), lines=True)


def _coloured(value: Any) -> Text:
    from rich.text import Text

    text = _text(value)
    if text in {"on", "succeeded", "ok"}:
        return Text(text, "green")
    if text.startswith(("paused", "disabled", "partial", "skipped", "held")):
        return Text(text, "yellow")
    if text.startswith(("failed", "LATE", "set aside", "SILENT")):
        return Text(text, "red")
    return Text(text)
