"""Verbs that only look: list, show, next, runs, changes, status, watch."""

from __future__ import annotations

import json
from datetime import timedelta

import click

from beat.cli.shared import as_json, length, name_argument, names
from beat.time.lengths import length_words
from workers.output import FAILED, NOT_FOUND, connect, fail, handle_db_errors, plain, say, show

STATUS = ("name", "runs", "state", "last_run", "result", "summary", "next_run", "pause_reason", "note")
RUNS = ("when", "name", "trigger", "state", "summary", "took", "id")
CHANGES = ("changed_at", "changed_by", "program", "schedule", "change")
RUNNING = ("schedule", "task", "items", "failed", "elapsed", "time_left", "waiting_for", "started_by")
QUOTAS = ("upstream", "per", "used", "limit", "share", "resets", "waiting", "blocked_because")
HEALTH = ("name", "role", "seen", "state")
TROUBLE = ("kind", "title", "text", "severity")


@click.command("list")
@click.option("--state", help="on, paused, disabled, late, failing, or how the state begins")
@as_json
@handle_db_errors
def list_(state: str | None, as_json: bool) -> None:
    """Every schedule: when it runs, how it went, when it runs next."""
    with connect() as connection:
        rows = connection.execute("select * from schedule_status").fetchall()
    wanted = (state or "").lower()
    if wanted == "failing":
        rows = [row for row in rows if row["consecutive_failures"] or row["result"] == "failed"]
    elif wanted:
        rows = [row for row in rows if row["state"].lower().startswith(wanted)]
    show(rows, STATUS, as_json=as_json)


@click.command("show")
@name_argument
@as_json
@handle_db_errors
def show_(name: str, as_json: bool) -> None:
    """One schedule: its settings, next and last runs, last changes."""
    with connect() as connection:
        row = connection.execute("select (schedule_named(%s)).*", (name,)).fetchone()
        coming = connection.execute("select * from next_runs(%s, 5)", (name,)).fetchall()
        runs = connection.execute(
            "select * from recent_runs where name = %s limit 10", (name,)
        ).fetchall()
        changes = connection.execute(
            "select * from recent_changes where schedule = %s limit 5", (name,)
        ).fetchall()
    if as_json:
        more = {"next_runs": coming, "recent_runs": runs, "recent_changes": changes}
        show([{**row, **more}], (), as_json=True)
        return
    settings = [
        {"setting": k, "value": length_words(v) if isinstance(v, timedelta) else v}
        for k, v in row.items()
        if v is not None
    ]
    show(settings, ("setting", "value"))
    for found, columns in (
        (coming, ("local", "due_at", "ahead")),
        (runs, ("when", "trigger", "state", "summary", "took")),
        (changes, ("changed_at", "changed_by", "program", "change")),
    ):
        say()
        show(found, columns)


@click.command("next")
@name_argument
@click.option("-n", "count", type=click.IntRange(1, 1000), default=5, show_default=True)
@as_json
@handle_db_errors
def next_(name: str, count: int, as_json: bool) -> None:
    """When it will run: local time, UTC, and how far ahead."""
    with connect() as connection:
        rows = connection.execute("select * from next_runs(%s, %s)", (name, count)).fetchall()
    show(rows, ("local", "due_at", "ahead"), as_json=as_json)


@click.command("runs")
@click.argument("name", required=False, shell_complete=names)
@click.option("--failed", is_flag=True, help="only those that failed, whole or in part")
@click.option("--since", help="e.g. 24h")
@click.option("-n", "count", type=click.IntRange(1, 1000), default=20, show_default=True)
@as_json
@handle_db_errors
def runs(name: str | None, failed: bool, since: str | None, count: int, as_json: bool) -> None:
    """Runs, the newest first."""
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
                # Either it has not run yet, or there is no such name: then the database says so.
                connection.execute("select schedule_named(%s)", (name,))
    show(rows, RUNS, as_json=as_json)


@click.command("changes")
@click.argument("name", required=False, shell_complete=names)
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


@click.command("status")
@as_json
@handle_db_errors
def status(as_json: bool) -> None:
    """One screen; exit 1 when view trouble has an error, such as a silent beat or a late schedule."""
    with connect() as connection:
        found = {
            "schedules": connection.execute("select * from schedule_status").fetchall(),
            "running": connection.execute("select * from running_now limit 20").fetchall(),
            "quotas": connection.execute("select * from quota_status").fetchall(),
            "health": connection.execute("select * from health").fetchall(),
            "trouble": connection.execute("select * from trouble order by severity, kind").fetchall(),
        }
    if as_json:
        shown = {
            key: [{k: plain(v) for k, v in row.items()} for row in rows] for key, rows in found.items()
        }
        say(json.dumps(shown, default=str))
    else:
        for number, (key, columns) in enumerate(
            zip(found, (STATUS, RUNNING, QUOTAS, HEALTH, TROUBLE), strict=True)
        ):
            if number:
                say()
            show(found[key], columns)
    errors = [row["title"] for row in found["trouble"] if row["severity"] == "error"]
    if errors:
        fail("; ".join(errors), "celery doctor says more", FAILED)


@click.command("watch")
@click.argument("run_id", metavar="RUN", required=False, type=click.UUID)
@handle_db_errors
def watch(run_id: object | None) -> None:
    """Live bars of one run, or of all that run now; Ctrl-C ends the looking, not the runs."""
    from beat.cli.progress import follow

    with connect() as connection:
        if (
            run_id is not None
            and not connection.execute("select id from run where id = %s", (run_id,)).fetchone()
        ):
            fail(f"no run with id {run_id}", "celery schedule runs shows their ids", NOT_FOUND)
        follow(connection, None if run_id is None else [run_id])


COMMANDS = (list_, show_, next_, runs, changes, status, watch)
