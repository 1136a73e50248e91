"""`celery -A workers.app doctor`: looks at everything that must be right, says what is not."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import click

from workers.console import FAILED, connect, speaks_plainly

#: Difference between this machine's clock and the database's that is worth a word (seconds).
SKEW = 2.0


def findings(connection: Any, app: Any) -> Iterator[tuple[str, str | None]]:
    """Each check with what is wrong, or None."""
    yield "database", None
    row = connection.execute("select extract(epoch from clock_timestamp())::float8 as now").fetchone()
    import time

    skew = abs(time.time() - row["now"])
    yield "clock", f"differs from the database's by {skew:.1f} s; set the time" if skew > SKEW else None
    yield "migrations", _migrations(connection)
    yield "broker", _broker(app)
    beats = connection.execute("select count(*) as n from health where role = 'beat' and state = 'ok'")
    yield "beat", None if beats.fetchone()["n"] else "no beat has given a sign in the last 30 s"
    late = connection.execute(
        "select string_agg(name, ', ') as names from schedule_status where state like 'LATE%'"
    ).fetchone()["names"]
    yield "due times", f"late: {late}" if late else None
    aside = connection.execute(
        "select string_agg(name || ' (' || state || ')', ', ') as names from schedule_status"
        " where state like 'set aside%'"
    ).fetchone()["names"]
    yield "rows", aside
    unknown = connection.execute(
        "select string_agg(s.name, ', ') as names from schedule s join task_kind k on k.name = s.task"
        " where k.retired_at is not null and s.enabled"
    ).fetchone()["names"]
    yield "tasks", f"no worker knows the task of: {unknown}" if unknown else None


def _migrations(connection: Any) -> str | None:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    from workers.migrate import PYPROJECT

    head = ScriptDirectory.from_config(Config(toml_file=str(PYPROJECT))).get_current_head()
    row = connection.execute("select version_num from alembic_version").fetchone()
    at = row["version_num"] if row else "nothing"
    return (
        None
        if at == head
        else f"database is at {at}, this code at {head}: run python -m workers.migrate"
    )


def _broker(app: Any) -> str | None:
    try:
        with app.connection_for_write() as broker:
            broker.ensure_connection(max_retries=1, timeout=3)
    except Exception as error:
        return f"out of reach ({type(error).__name__}); check WATCHKEEPER_BROKER_URL"
    return None


@click.command()
@click.pass_context
@speaks_plainly
def doctor(context: click.Context) -> None:
    """Check database, migrations, broker, beat, clocks and rows; exit 1 when anything is wrong."""
    wrong = 0
    with connect() as connection:
        for name, trouble in findings(connection, context.obj.app):
            wrong += trouble is not None
            mark = click.style("✘", fg="red") if trouble else click.style("✔", fg="green")
            click.echo(f"{mark} {name:<11} {trouble or 'ok'}")
    if wrong:
        sys.exit(FAILED)
