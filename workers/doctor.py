"""`celery -A workers.app doctor`: checks the installation and reports what is wrong."""

import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import chain
from typing import Any
from zoneinfo import available_timezones

import click

from workers import cli
from workers.calendars.zones import zone_of
from workers.cli.database import unreachable
from workers.connections.postgres import DEFAULT_BROKER_URL, READ_ONLY_WORDS, setting
from workers.installation import domains
from workers.redaction import redact
from workers.text.cleaning import printable
from workers.text.statements import statements

_SQL = statements(__file__)
#: A larger difference between a machine's clock and the database's is reported (seconds).
MAX_SKEW = 2.0

#: Kinds of view trouble, by the check that reports them.
TROUBLES = {
    "beat": ("beat silent",),
    "workers": ("worker silent",),
    "queues": ("queue unserved", "queue stalled"),
    "pauses": ("paused", "tripped"),
    "runs": ("failing",),
    "upstreams": ("blocked", "quota low"),
    "notices": ("notices held", "notices dead"),
    "rules": ("rule wrong",),
    "partitions": ("partitions",),
}


ALL_OVERDUE = (
    "SELECT schedule, claim_at FROM schedule_state WHERE claim_at < now() - interval '1 minute'"
)


def findings(connection: Any) -> Iterator[tuple[str, str | None]]:
    yield "database", _database(connection)
    yield "migrations", _migrations(connection)
    yield "broker", _broker()
    yield "clock", _clock(connection)
    yield "timezones", _timezones(connection)
    yield "due times", _overdue(connection)
    yield (
        "rows",
        _named(
            connection, _SQL["aside"], "set aside: {names}; correct them, any edit lets beat try again"
        ),
    )
    yield "tasks", _tasks(connection)
    yield (
        "logins",
        _named(
            connection,
            _SQL["logins"],
            "without a connection limit or time-outs: {names}; an administrator runs {cure}",
        ),
    )
    yield "calendars", _calendars(connection)


def _calendars(connection: Any) -> str | None:
    # Only where a schedule follows a market.
    from workers.calendars import exchanges

    missing = _named(
        connection,
        _SQL["sessions"],
        "trading days are known for {names}; enable schedule market-sessions",
    )
    used = connection.execute(
        "select distinct calendar from schedule where calendar is not null and enabled order by 1"
    )
    today = datetime.now(UTC).date()
    ending = [exchanges.ends_soon(row["calendar"], today) for row in used]
    return "; ".join(filter(None, [missing, *ending])) or None


def troubles(connection: Any) -> Iterator[tuple[str, str | None, bool]]:
    """By check: its name, what is wrong, whether that is an error; most are rows of view trouble."""
    names = ", ".join(sorted(row["name"] for row in connection.execute(domains.undrawn())))
    # A warning: other workers draw them too, one browser a process.
    sentence = f"scripts draw the pages of {names}: start a worker for them with -Q browser"
    yield "browsers", sentence if names else None, False
    rows = connection.execute(_SQL["trouble"]).fetchall()
    for check, kinds in TROUBLES.items():
        found = [row for row in rows if row["kind"] in kinds]
        trouble = "; ".join(row["sentence"] for row in found) or None
        yield check, trouble, any(row["severity"] == "error" for row in found)


def _named(connection: Any, query: str, sentence: str, *values: Any) -> str | None:
    row = connection.execute(query, values or None).fetchone()
    return sentence.format_map(row) if row["names"] else None


def _database(connection: Any) -> str | None:
    (only,) = connection.execute("SHOW transaction_read_only").fetchone().values()
    return "; ".join(READ_ONLY_WORDS) if only == "on" else None


def _migrations(connection: Any) -> str | None:
    from workers.installation import installed

    heads = ", ".join(installed.heads())
    exists = connection.execute("select to_regclass('alembic_version') as it").fetchone()["it"]
    query = "select version_num from alembic_version order by 1"
    rows = connection.execute(query).fetchall() if exists else []
    current = ", ".join(row["version_num"] for row in rows) or "nothing"
    if current == heads:
        return None
    return f"database is at {current}, this code at {heads}: run python -m workers.migrate"


def _named_application() -> str | None:
    """The application of `WATCHKEEPER_APP` that has a broker of its own."""
    first = (setting("app") or "").partition(",")[0].strip()
    return None if first in {"", "workers.app"} else first


def _connection() -> Any:
    from kombu import Connection

    from workers.connections import sentinel

    if app := _named_application():
        from celery.app.utils import find_app

        return find_app(app).connection_for_write(connect_timeout=3)
    url = setting("broker_url") or DEFAULT_BROKER_URL
    return Connection(url, connect_timeout=3, transport_options=sentinel.transport_options())


def _broker() -> str | None:
    app = _named_application()
    whose = f"broker_url of {app}" if app else "WATCHKEEPER_BROKER_URL"
    try:
        broker = _connection()
        where = f"{broker.hostname}, port {broker.port or broker.default_port}"
    except Exception:
        return f"{whose} is not an address: write redis://:password@host:port/number"
    try:
        with broker:
            broker.ensure_connection(max_retries=1, timeout=3)
            if broker.transport.driver_type == "redis":
                # One that is full, or has become a replica, answers and takes no message.
                broker.default_channel.client.set("watchkeeper.doctor", 1, ex=1)
    except Exception as error:
        from redis.exceptions import ResponseError

        reason = redact(str(error.__cause__ or error).strip().rstrip(".").partition("\n")[0])
        if isinstance(error, ResponseError):
            return f"Redis at {where} takes no messages: {reason}"
        return f"Redis at {where} is out of reach: {reason}; check {whose}"
    return None


def _clock(connection: Any) -> str | None:
    row = connection.execute("select extract(epoch from clock_timestamp())::float8 as now").fetchone()
    skew = time.time() - row["now"]
    if abs(skew) > MAX_SKEW:
        return f"this machine's differs from the database's by {skew:.1f} s; set the time"
    return _named(
        connection,
        _SQL["skewed"],
        "differs from the database's: {names}; only log times are wrong",
        MAX_SKEW,
    )


def _timezones(connection: Any) -> str | None:
    known = {row["name"] for row in connection.execute("select name from timezone_name")}
    used = {row["zone"] for row in connection.execute("select distinct timezone as zone from schedule")}
    here = available_timezones()
    if lost := sorted(used - here):
        return f"not in this machine's tzdata: {', '.join(lost)}; update tzdata"
    if differing := sorted(zone for zone in used if _differs(connection, zone)):
        return (
            f"clock changes of {', '.join(differing)} differ between Postgres and this machine, so"
            " next_runs shows other times than beat obeys: update tzdata where it is older"
        )
    new = sorted(here - known)
    return f"new here: {', '.join(new[:3])} …; run python -m workers.migrate" if new else None


def _differs(connection: Any, zone: str) -> bool:
    """Whether Postgres' clock of that zone differs from ours within a year."""
    rows = connection.execute(_SQL["offsets"], (zone,))
    return any(row["at"].astimezone(zone_of(zone)).utcoffset() != row["ahead"] for row in rows)


def _overdue(connection: Any) -> str | None:
    late, rest = [], ""
    for row in connection.execute(_SQL["overdue"]):
        holder = ""
        if row["pid"] is not None:
            since = f"for {row['since']} " if row["since"] else ""
            holder = (
                f" (locked {since}by {row['usename']} with {row['program']},"
                f" pid {row['pid']}; SELECT pg_terminate_backend({row['pid']}) ends it)"
            )
        late.append(f"{row['name']} by {row['late']}{holder}")
        more = row["number"] - len(late)
        rest = f" and {more} more: {ALL_OVERDUE}" if more else ""
    return f"late: {', '.join(late)}{rest}" if late else None


def _task_names() -> set[str]:
    from workers.installation import installed

    if _named_application() is None:
        return installed.task_names()
    from workers.migrate import registered

    return {kind.name for kind in registered()}


def _tasks(connection: Any) -> str | None:
    if unknown := _named(
        connection,
        _SQL["unknown"],
        "no worker knows the task of: {names}; start a worker that has it, or disable them",
    ):
        return unknown
    kinds = {
        row["name"] for row in connection.execute("select name from task_kind where retired_at is null")
    }
    new = sorted(_task_names() - kinds)
    return f"not yet in the database: {', '.join(new)}; run python -m workers.migrate" if new else None


@click.command(cls=cli.Command)
@cli.as_json
def doctor() -> None:
    """Check the installation and view trouble; exit 1 on errors, not on warnings."""
    import psycopg
    from psycopg import errors

    from workers.calendars import exchanges

    results: list[dict[str, Any]] = []
    notes = {"calendars": exchanges.shipped_until()}

    def report(name: str, trouble: str | None, *, wrong: bool) -> None:
        note = notes.get(name)
        results.append({"check": name, "ok": not wrong, "trouble": trouble, "note": note})
        if not cli.is_json():
            _print(name, trouble, wrong=wrong)
            if note:
                click.echo(f"  {name:<11} {note}")

    try:
        with cli.connect() as connection:
            wrongs = ((name, trouble, trouble is not None) for name, trouble in findings(connection))
            for name, trouble, wrong in chain(wrongs, troubles(connection)):
                report(name, trouble, wrong=wrong)
    except (errors.UndefinedTable, errors.UndefinedColumn, errors.UndefinedFunction):
        # What the migrate step makes, as the line before says.
        if all(one["ok"] for one in results):
            raise
    except psycopg.Error as error:
        report("database", "; ".join(unreachable(str(error))), wrong=True)
    if cli.is_json():
        cli.show(results, ())
    if not all(one["ok"] for one in results):
        sys.exit(cli.FAILED)


def _print(name: str, trouble: str | None, *, wrong: bool) -> None:
    colour = "red" if wrong else "yellow" if trouble else "green"
    mark = "✘" if wrong else "!" if trouble else "✔"
    if cli.has_colour():
        mark = click.style(mark, fg=colour)
    click.echo(f"{mark} {name:<11} {printable(trouble or 'ok')}")
