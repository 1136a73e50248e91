"""`celery -A workers.app doctor`: looks at everything that must be right, says what is not."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from typing import Any
from zoneinfo import available_timezones

import click

from workers.output import FAILED, connect, handle_db_errors, show
from workers.text import printable

#: Difference between a machine's clock and the database's that is worth a word (seconds).
SKEW = 2.0

#: What view trouble tells, by the check that has its tick.
TROUBLES = {
    "beat": ("beat silent",),
    "workers": ("worker silent",),
    "queues": ("queue unserved",),
    "pauses": ("paused", "tripped"),
    "runs": ("failing",),
    "upstreams": ("blocked", "quota low"),
    "notices": ("notices held", "notices dead"),
}
TROUBLE = """
select kind, severity, title || ': ' || text as said from trouble order by severity, kind, since
"""

SKEWED = """
select string_agg(format('%%s by %%s s', name, round((detail ->> 'clock_skew')::numeric, 1)), ', ')
       as names
  from health where state = 'ok' and abs((detail ->> 'clock_skew')::float8) > %s
"""

#: A row lock is written in the row itself: ``xmax`` is the transaction that holds it.
OVERDUE = """
select st.schedule as name,
       duration_words(date_trunc('second', clock_timestamp() - st.claim_at)) as late,
       a.pid, a.usename, coalesce(nullif(a.application_name, ''), 'a program') as program,
       duration_words(date_trunc('second', clock_timestamp() - a.xact_start)) as since
  from schedule_state st
  left join pg_locks l on l.locktype = 'transactionid' and l.granted and l.transactionid = st.xmax
  left join pg_stat_activity a on a.pid = l.pid
 where st.claim_at < clock_timestamp() - interval '1 minute'
   and not (select paused from pause_switch)
 order by st.claim_at limit 10
"""

ASIDE = """
select string_agg(schedule || ' (' || error || ')', ', ') as names
  from (select schedule, error from schedule_state
         where error is not null order by error_at limit 10) st
"""

UNKNOWN = """
select string_agg(s.name || ' (' || s.task || ')', ', ' order by s.name) as names
  from schedule s left join task_kind k on k.name = s.task
 where s.enabled and (k.name is null or k.retired_at is not null)
"""

LOGINS = """
select string_agg(name, ', ' order by name) as names,
       string_agg(format('SELECT limit_login(%L);', name), ' ' order by name) as cure
  from login_without_limits
"""

SESSIONS = """
select string_agg(s.calendar || coalesce(' until ' || last, ' not at all'), ', ') as names
  from (select distinct calendar from schedule where calendar is not null and enabled) s
  left join lateral (
      select max(session_date) as last from market_session where mic = s.calendar) m on true
 where last is null or last < current_date + 30
"""


def findings(connection: Any, app: Any) -> Iterator[tuple[str, str | None]]:
    """Each check with what is wrong, or None."""
    yield "database", None
    yield "migrations", _migrations(connection)
    yield "broker", _broker(app)
    yield "clock", _clock(connection)
    yield "timezones", _timezones(connection)
    yield "due times", _overdue(connection)
    yield "rows", _said(connection, ASIDE, "set aside: {}; correct them, any edit lets beat try again")
    yield "tasks", _tasks(connection)
    yield "logins", _logins(connection)
    yield (
        "calendars",
        _said(connection, SESSIONS, "trading days are known for {}; enable schedule market-sessions"),
    )


def troubles(connection: Any) -> Iterator[tuple[str, str | None, bool]]:
    """What view trouble tells, a check at a time: its name, what is wrong, whether that is an error."""
    rows = connection.execute(TROUBLE).fetchall()
    for check, kinds in TROUBLES.items():
        found = [row for row in rows if row["kind"] in kinds]
        said = "; ".join(row["said"] for row in found) or None
        yield check, said, any(row["severity"] == "error" for row in found)


def _said(connection: Any, query: str, sentence: str, *values: Any) -> str | None:
    names = connection.execute(query, values or None).fetchone()["names"]
    return sentence.format(names) if names else None


def _migrations(connection: Any) -> str | None:
    from alembic.script import ScriptDirectory

    from workers.migrate import alembic_config

    heads = ", ".join(sorted(ScriptDirectory.from_config(alembic_config()).get_heads()))
    known = connection.execute("select to_regclass('alembic_version') is not null as it").fetchone()[
        "it"
    ]
    query = "select version_num from alembic_version order by 1"
    rows = connection.execute(query).fetchall() if known else []
    at = ", ".join(row["version_num"] for row in rows) or "nothing"
    return (
        None
        if at == heads
        else f"database is at {at}, this code at {heads}: run python -m workers.migrate"
    )


def _broker(app: Any) -> str | None:
    try:
        with app.connection_for_write() as broker:
            broker.ensure_connection(max_retries=1, timeout=3)
    except Exception as error:
        return f"out of reach ({type(error).__name__}); check WATCHKEEPER_BROKER_URL"
    return None


def _clock(connection: Any) -> str | None:
    row = connection.execute("select extract(epoch from clock_timestamp())::float8 as now").fetchone()
    skew = time.time() - row["now"]
    if abs(skew) > SKEW:
        return f"this machine's differs from the database's by {skew:.1f} s; set the time"
    return _said(
        connection, SKEWED, "differs from the database's: {}; nothing breaks, logs mislead", SKEW
    )


def _timezones(connection: Any) -> str | None:
    known = {row["name"] for row in connection.execute("select name from timezone_name")}
    used = {row["zone"] for row in connection.execute("select distinct timezone as zone from schedule")}
    here = available_timezones()
    if lost := sorted(used - here):
        return f"not in this machine's tzdata: {', '.join(lost)}; update tzdata"
    fresh = sorted(here - known)
    return f"new here: {', '.join(fresh[:3])} …; run python -m workers.migrate" if fresh else None


def _overdue(connection: Any) -> str | None:
    late = []
    for row in connection.execute(OVERDUE):
        held = ""
        if row["pid"] is not None:
            since = f"for {row['since']} " if row["since"] else ""
            held = f" (locked {since}by {row['usename']} with {row['program']},"
            held += f" pid {row['pid']}; SELECT pg_terminate_backend({row['pid']}) ends it)"
        late.append(f"{row['name']} by {row['late']}{held}")
    return f"late: {', '.join(late)}" if late else None


def _logins(connection: Any) -> str | None:
    row = connection.execute(LOGINS).fetchone()
    if not row["names"]:
        return None
    return (
        f"without a connection limit or time-outs: {row['names']}; an administrator runs {row['cure']}"
    )


def _tasks(connection: Any) -> str | None:
    from workers.migrate import registered

    unknown = _said(connection, UNKNOWN, "no worker knows the task of: {}")
    if unknown:
        return unknown
    kinds = {
        r["name"] for r in connection.execute("select name from task_kind where retired_at is null")
    }
    new = sorted({task.name for task in registered() if task.name.startswith("tasks.")} - kinds)
    return f"not yet in the database: {', '.join(new)}; run python -m workers.migrate" if new else None


@click.command()
@click.option("--json", "as_json", is_flag=True, help="JSON instead of lines")
@click.pass_context
@handle_db_errors
def doctor(context: click.Context, as_json: bool) -> None:
    """Check the installation and view trouble; exit 1 when anything is wrong, not for mere warnings."""
    import psycopg

    found: list[dict[str, Any]] = []
    try:
        with connect() as connection:
            for name, trouble, wrong in _all(connection, context.obj.app):
                found.append({"check": name, "ok": not wrong, "trouble": trouble})
                if not as_json:
                    _say(name, trouble, wrong=wrong)
    except psycopg.Error as error:
        trouble = str(error).strip().partition("\n")[0]
        if not found:
            trouble += "; check WATCHKEEPER_DATABASE_URL"
        found.append({"check": "database", "ok": False, "trouble": trouble})
        if not as_json:
            _say("database", trouble, wrong=True)
    if as_json:
        show(found, (), as_json=True)
    if not all(one["ok"] for one in found):
        sys.exit(FAILED)


def _all(connection: Any, app: Any) -> Iterator[tuple[str, str | None, bool]]:
    for name, trouble in findings(connection, app):
        yield name, trouble, trouble is not None
    yield from troubles(connection)


def _say(name: str, trouble: str | None, *, wrong: bool) -> None:
    colour = "red" if wrong else "yellow" if trouble else "green"
    mark = click.style(
        "✘" if wrong else "!" if trouble else "✔", fg=None if "NO_COLOR" in os.environ else colour
    )
    click.echo(f"{mark} {name:<11} {printable(trouble or 'ok')}")
