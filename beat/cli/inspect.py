"""Commands that only read: list, show, next, runs, changes, status, watch."""

from __future__ import annotations

import json
from datetime import timedelta

import click

from beat.cli.shared import length, name_argument, runs, schedules
from workers.cli import (
    FAILED,
    NOT_FOUND,
    as_json,
    command,
    connect,
    fail,
    handle_db_errors,
    plain,
    say,
    show,
    typed,
)
from workers.words import duration_words

STATUS = ("name", "runs", "state", "last_run", "result", "summary", "next_run", "pause_reason", "note")
RUNS = ("ago", "name", "trigger", "state", "summary", "took", "id")
CHANGES = ("changed_at", "changed_by", "program", "schedule", "change")
RUNNING = ("schedule", "task", "items", "failed", "elapsed", "time_left", "waiting_for", "started_by")
QUOTAS = ("upstream", "per", "used", "allowed", "share", "resets", "waiting", "blocked_because")
HEALTH = ("name", "role", "seen", "state")
TROUBLE = ("kind", "title", "text", "severity")
AHEAD = ("local", "due_at", "ahead")

#: What `show` lists of a schedule: the statement and the columns of each table.
DETAILS = {
    "next_runs": ("select * from next_runs(%s, 5)", AHEAD),
    "recent_runs": (
        "select * from recent_runs where name = %s limit 10",
        ("ago", "trigger", "state", "summary", "took"),
    ),
    "recent_changes": (
        "select * from recent_changes where schedule = %s limit 5",
        ("changed_at", "changed_by", "program", "change"),
    ),
}
#: What `status` lists, in its order.
OVERVIEW = {
    "schedules": ("select * from schedule_status", STATUS),
    "running": ("select * from running_now limit 20", RUNNING),
    "quotas": ("select * from quota_status", QUOTAS),
    "health": ("select * from health", HEALTH),
    "trouble": ("select * from trouble order by severity, kind", TROUBLE),
}


@command("list")
@click.option("--state", help="on, paused, disabled, late, failing, or a prefix of the state")
@as_json
@handle_db_errors
def list_(state: str | None, as_json: bool) -> None:
    """Every schedule: timing, state, last result, next run."""
    with connect() as connection:
        rows = connection.execute("select * from schedule_status").fetchall()
    wanted = (state or "").lower()
    if wanted == "failing":
        rows = [row for row in rows if row["consecutive_failures"] or row["result"] == "failed"]
    elif wanted:
        rows = [row for row in rows if row["state"].lower().startswith(wanted)]
    show(rows, STATUS, as_json=as_json)


@command("show")
@name_argument
@as_json
@handle_db_errors
def show_(name: str, as_json: bool) -> None:
    """One schedule: its settings, next and last runs, last changes."""
    with connect() as connection:
        row = connection.execute("select (schedule_named(%s)).*", (name,)).fetchone()
        more = {
            key: connection.execute(statement, (name,)).fetchall()
            for key, (statement, _) in DETAILS.items()
        }
    if as_json:
        show([{**row, **more}], (), as_json=True)
        return
    settings = [
        {"setting": k, "value": duration_words(v) if isinstance(v, timedelta) else v}
        for k, v in row.items()
        if v is not None
    ]
    show(settings, ("setting", "value"))
    for key, (_, columns) in DETAILS.items():
        say()
        show(more[key], columns)


@command("next")
@name_argument
@click.option("-n", "count", type=click.IntRange(1, 1000), default=5, show_default=True)
@as_json
@handle_db_errors
def next_(name: str, count: int, as_json: bool) -> None:
    """The next runs: local time, UTC, and time left."""
    with connect() as connection:
        rows = connection.execute("select * from next_runs(%s, %s)", (name, count)).fetchall()
    show(rows, AHEAD, as_json=as_json)


@command("runs")
@click.argument("name", required=False, shell_complete=schedules)
@click.option("--failed", is_flag=True, help="only failed and partial ones")
@click.option("--since", help="e.g. 24h")
@click.option("-n", "count", type=click.IntRange(1, 1000), default=20, show_default=True)
@as_json
@handle_db_errors
def runs_(name: str | None, failed: bool, since: str | None, count: int, as_json: bool) -> None:
    """Runs, newest first."""
    with connect() as connection:
        rows = connection.execute(
            "select * from recent_runs where (%(name)s::text is null or name = %(name)s)"
            " and (not %(failed)s or state in ('failed', 'partial'))"
            " and created_at > coalesce(clock_timestamp() - %(since)s::interval, '-infinity')"
            " limit %(count)s",
            {"name": name, "failed": failed, "count": count, "since": length(since) if since else None},
        ).fetchall()
        if not rows and name:
            known = connection.execute(
                "select from run where schedule = %s limit 1", (name,)
            ).fetchone()
            if known is None:
                # No run yet, or an unknown name, which the database refuses.
                connection.execute("select schedule_named(%s)", (name,))
    show(rows, RUNS, as_json=as_json)


@command("changes")
@click.argument("name", required=False, shell_complete=schedules)
@as_json
@handle_db_errors
def changes(name: str | None, as_json: bool) -> None:
    """Who changed what, with which program."""
    with connect() as connection:
        rows = connection.execute(
            "select * from recent_changes where %(name)s::text is null or schedule = %(name)s limit 50",
            {"name": name},
        ).fetchall()
    show(rows, CHANGES, as_json=as_json)


@command("status")
@as_json
@handle_db_errors
def status(as_json: bool) -> None:
    """One screen; exit 1 when view trouble has an error, such as a silent beat or a late schedule."""
    with connect() as connection:
        found = {
            key: connection.execute(statement).fetchall() for key, (statement, _) in OVERVIEW.items()
        }
    if as_json:
        shown = {
            key: [{k: plain(v) for k, v in row.items()} for row in rows] for key, rows in found.items()
        }
        say(json.dumps(shown, default=str))
    else:
        for number, (key, (_, columns)) in enumerate(OVERVIEW.items()):
            if number:
                say()
            show(found[key], columns)
    errors = [row["title"] for row in found["trouble"] if row["severity"] == "error"]
    if errors:
        fail("; ".join(errors), typed("doctor") + " says more", FAILED)


@command("watch")
@click.argument("run_id", metavar="RUN", required=False, type=click.UUID, shell_complete=runs)
@handle_db_errors
def watch(run_id: object | None) -> None:
    """Live progress of one run, or of all active ones; Ctrl-C ends the display, not the runs."""
    from beat.cli.progress import follow

    with connect() as connection:
        if (
            run_id is not None
            and not connection.execute("select id from run where id = %s", (run_id,)).fetchone()
        ):
            fail(f"no run with id {run_id}", typed("schedule runs") + " shows their ids", NOT_FOUND)
        follow(connection, None if run_id is None else [run_id])


COMMANDS = (list_, show_, next_, runs_, changes, status, watch)
