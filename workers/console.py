"""How our commands speak: tables on a terminal, tabs in a pipe, JSON when asked; exit codes."""

from __future__ import annotations

import functools
import json
import os
import sys
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, ParamSpec, TypeVar
from uuid import UUID

import click

P = ParamSpec("P")
T = TypeVar("T")

DONE, FAILED, USAGE, NOT_FOUND, REFUSED, UNREACHABLE, INTERRUPTED = 0, 1, 2, 3, 4, 5, 130


def connect() -> Any:
    """A connection whose edits are booked on the person at the keyboard, from "celery schedule"."""
    import psycopg
    from psycopg.rows import dict_row

    from workers.db import connect_args
    from workers.settings import settings

    arguments = {**connect_args("celery schedule"), "connect_timeout": 5}
    connection = psycopg.connect(
        settings().libpq_dsn, autocommit=True, row_factory=dict_row, **arguments
    )
    actor = os.environ.get("WATCHKEEPER_ACTOR") or os.environ.get("USER") or ""
    if actor:
        connection.execute("select set_config('app.actor', %s, false)", (actor,))
    return connection


def fail(message: str, hint: str | None, status: int) -> None:
    """Say what is wrong on standard error and end with ``status``."""
    click.secho(f"error: {message}", fg="red", err=True)
    if hint:
        click.echo(f"hint:  {hint}", err=True)
    sys.exit(status)


def speaks_plainly(command: Callable[P, T]) -> Callable[P, T]:
    """Turn the database's refusals into its own words and an exit code, never a traceback."""

    @functools.wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> T:
        import psycopg

        try:
            return command(*args, **kwargs)
        except psycopg.OperationalError as error:
            fail(
                f"the database is out of reach: {str(error).strip().splitlines()[-1]}",
                "check WATCHKEEPER_DATABASE_URL",
                UNREACHABLE,
            )
        except psycopg.Error as error:
            diag = error.diag
            status = NOT_FOUND if diag.sqlstate == "P0002" else REFUSED
            fail(diag.message_primary or str(error), diag.message_hint, status)
        raise AssertionError

    return wrapped


def plain(value: Any) -> Any:
    """A value as JSON takes it: ISO times, seconds for lengths of time."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    return str(value) if isinstance(value, UUID) else value


def show(rows: Sequence[dict[str, Any]], columns: Sequence[str], *, as_json: bool = False) -> None:
    """Print rows for whoever reads: a person, a pipe, a program."""
    if as_json:
        click.echo(json.dumps([{k: plain(v) for k, v in row.items()} for row in rows], default=str))
        return
    if not sys.stdout.isatty():
        click.echo("\t".join(columns))
        for row in rows:
            click.echo("\t".join("" if row[c] is None else str(row[c]) for c in columns))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, header_style="bold")
    for column in columns:
        table.add_column(column.replace("_", " ").upper(), overflow="fold")
    for row in rows:
        table.add_row(*(_coloured(row[column]) for column in columns))
    Console(highlight=False).print(table)


def _coloured(value: Any) -> str:
    text = "" if value is None else str(value).replace("[", "\\[")
    if text in {"on", "succeeded", "ok"}:
        return f"[green]{text}[/]"
    if text.startswith(("paused", "disabled", "partial", "skipped", "held")):
        return f"[yellow]{text}[/]"
    if text.startswith(("failed", "LATE", "set aside", "SILENT")):
        return f"[red]{text}[/]"
    return text
