"""`celery -A workers.app schedule …`: the same words and errors as SQL; each is a statement."""

from __future__ import annotations

import json
from typing import Any

import click

from workers.console import FAILED, connect, show, speaks_plainly

as_json = click.option("--json", "as_json", is_flag=True, help="one JSON array instead of a table")

STATUS = ("name", "runs", "state", "last_run", "result", "summary", "next_run", "note")


def names(_: click.Context, __: click.Parameter, incomplete: str) -> list[str]:
    """Names of schedules for the shell's completion; nothing when the database is away."""
    try:
        with connect() as connection:
            found = connection.execute(
                "select name from schedule where starts_with(name, %s) order by name", (incomplete,)
            )
            return [row["name"] for row in found]
    except Exception:
        return []


name_argument = click.argument("name", shell_complete=names)


@click.group()
def schedule() -> None:
    """What runs and when: list, change, pause, run."""


@schedule.command("list")
@click.option("--state", help="only those whose state begins so: on, paused, disabled, LATE")
@as_json
@speaks_plainly
def list_(state: str | None, as_json: bool) -> None:
    """Every schedule: when it runs, how it went, when it runs next."""
    with connect() as connection:
        rows = connection.execute("select * from schedule_status").fetchall()
    kept = [row for row in rows if not state or row["state"].lower().startswith(state.lower())]
    show(kept, STATUS, as_json=as_json)


@schedule.command("show")
@name_argument
@as_json
@speaks_plainly
def show_(name: str, as_json: bool) -> None:
    """One schedule: its settings, last runs, last changes."""
    with connect() as connection:
        row = connection.execute("select (schedule_named(%s)).*", (name,)).fetchone()
        runs = connection.execute(
            "select * from recent_runs where name = %s limit 10", (name,)
        ).fetchall()
        changes = connection.execute(
            "select * from recent_changes where schedule = %s limit 5", (name,)
        ).fetchall()
    if as_json:
        show([{**row, "recent_runs": runs, "recent_changes": changes}], (), as_json=True)
        return
    settings = [{"setting": k, "value": v} for k, v in row.items() if v is not None]
    show(settings, ("setting", "value"))
    click.echo()
    show(runs, ("when", "trigger", "state", "summary", "took"))
    click.echo()
    show(changes, ("changed_at", "changed_by", "program", "change"))


@schedule.command("next")
@name_argument
@click.option("-n", "count", type=click.IntRange(1, 1000), default=5, show_default=True)
@as_json
@speaks_plainly
def next_(name: str, count: int, as_json: bool) -> None:
    """When it will run: local time, UTC, and how far ahead."""
    from beat.forecast import upcoming

    show(upcoming(name, count), ("local", "utc", "ahead"), as_json=as_json)


@schedule.command("set")
@name_argument
@click.option("--every", help="e.g. '2 hours'")
@click.option("--cron", help="e.g. '0 17 * * 1-5'")
@click.option("--daily", metavar="HH:MM", help="e.g. 17:00, in the schedule's timezone")
@click.option("--timezone", help="IANA zone, e.g. America/New_York")
@click.option("--option", "options", multiple=True, metavar="NAME=VALUE", help="one option of the task")
@click.option("--note", help="why")
@click.option("--dry-run", is_flag=True, help="change nothing; show the next five runs")
@speaks_plainly
def set_(
    name: str,
    every: str | None,
    cron: str | None,
    daily: str | None,
    timezone: str | None,
    options: tuple[str, ...],
    note: str | None,
    dry_run: bool,
) -> None:
    """Change a schedule; what is not named stays as it is."""
    if daily:
        hour, _, minute = daily.partition(":")
        cron = f"{int(minute)} {int(hour)} * * *" if (hour + minute).isdigit() else daily
    changes: dict[str, Any] = {}
    if every or cron:
        changes |= {"every": every, "cron": cron, "at": None, "after": None}
    changes |= {k: v for k, v in (("timezone", timezone), ("note", note)) if v is not None}
    given = parse_options(options)
    if not changes and not given:
        raise click.UsageError("nothing to change: give --every, --cron, --daily, --option or --note")
    import psycopg

    with connect() as connection, connection.transaction() as block:
        connection.execute("select schedule_named(%s)", (name,))
        sets = [f"{column} = %({column})s" for column in changes]
        if given:
            sets.append("options = options || %(options)s::jsonb")
        connection.execute(
            f"update schedule set {', '.join(sets)} where name = %(name)s",  # noqa: S608 - own names
            {**changes, "options": json.dumps(given), "name": name},
        )
        row = connection.execute(
            "select schedule_words(s) as runs from schedule s where name = %s", (name,)
        ).fetchone()
        if dry_run:
            raise psycopg.Rollback(block)
    said = "would run" if dry_run else "runs"
    click.echo(f"{name} {said} {row['runs']}", err=True)


def parse_options(pairs: tuple[str, ...]) -> dict[str, Any]:
    """NAME=VALUE pairs; a value that is JSON is read as JSON, anything else is text."""
    found: dict[str, Any] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise click.UsageError(f'"{pair}" is not NAME=VALUE')
        try:
            found[key] = json.loads(value)
        except ValueError:
            found[key] = value
    return found


def _until(for_: str | None, until: str | None) -> tuple[str, dict[str, Any]]:
    if for_:
        return "clock_timestamp() + %(for)s::interval", {"for": _length(for_)}
    return ("%(until)s::timestamptz", {"until": until}) if until else ("'infinity'", {})


def _length(text: str) -> str:
    """2h, 30m, 45s, 1d as Postgres reads them."""
    units = {"d": "days", "h": "hours", "m": "minutes", "s": "seconds"}
    return f"{text[:-1]} {units[text[-1]]}" if text[-1:] in units and text[:-1].isdigit() else text


@schedule.command("pause")
@click.argument("wanted", metavar="NAME…", nargs=-1, shell_complete=names)
@click.option("--all", "everything", is_flag=True, help="one switch for everything")
@click.option("--note", help="why")
@click.option("--for", "for_", help="e.g. 2h")
@click.option("--until", help="a time")
@speaks_plainly
def pause(
    wanted: tuple[str, ...], everything: bool, note: str | None, for_: str | None, until: str | None
) -> None:
    """Pause schedules; say why."""
    with connect() as connection:
        if everything:
            connection.execute("select pause_all(%s)", (note,))
        expression, values = _until(for_, until)
        for name in wanted:
            connection.execute(
                f"select pause(%(name)s, %(note)s, {expression})",
                {"name": name, "note": note, **values},
            )
    click.echo("paused: " + ("everything" if everything else ", ".join(wanted)), err=True)


@schedule.command("resume")
@click.argument("wanted", metavar="NAME…", nargs=-1, shell_complete=names)
@click.option("--all", "everything", is_flag=True, help="undo pause --all")
@speaks_plainly
def resume(wanted: tuple[str, ...], everything: bool) -> None:
    """End a pause, also an automatic one; no backlog is fired."""
    with connect() as connection:
        if everything:
            connection.execute("select resume_all()")
        for name in wanted:
            connection.execute("select resume(%s)", (name,))
    click.echo("resumed: " + ("everything" if everything else ", ".join(wanted)), err=True)


@schedule.command("run")
@name_argument
@click.option("--option", "options", multiple=True, metavar="NAME=VALUE", help="for this run only")
@click.option("--note", help="why")
@click.option("--wait", is_flag=True, help="wait for its end; exit 1 when it fails")
@speaks_plainly
def run(name: str, options: tuple[str, ...], note: str | None, wait: bool) -> None:
    """Run a schedule now; beat does it, by the schedule's overlap policy."""
    given = parse_options(options)
    with connect() as connection:
        asked = connection.execute(
            "select (run_now(%s, %s, %s::jsonb)).id", (name, note, json.dumps(given) if given else None)
        ).fetchone()["id"]
        click.echo(f"asked (request {asked})", err=True)
        if wait:
            from beat.forecast import wait_for_answer

            wait_for_answer(connection, asked)


@schedule.command("stop")
@click.argument("run_id", metavar="RUN")
@click.option("--note", help="why")
@speaks_plainly
def stop(run_id: str, note: str | None) -> None:
    """Ask a run to stop: what waits ends at once, what runs at its next call."""
    with connect() as connection:
        connection.execute("select stop_run(%s::uuid, %s)", (run_id, note))
    click.echo("asked to stop", err=True)


@schedule.command("retry")
@click.argument("run_id", metavar="RUN")
@speaks_plainly
def retry(run_id: str) -> None:
    """Do a run again with the same options."""
    with connect() as connection:
        connection.execute("select retry_run(%s::uuid)", (run_id,))
    click.echo("asked to run again", err=True)


@schedule.command("runs")
@click.argument("name", required=False, shell_complete=names)
@click.option("--failed", is_flag=True, help="only those that failed, whole or in part")
@click.option("-n", "count", type=click.IntRange(1, 1000), default=20, show_default=True)
@as_json
@speaks_plainly
def runs(name: str | None, failed: bool, count: int, as_json: bool) -> None:
    """Runs, the newest first."""
    with connect() as connection:
        rows = connection.execute(
            "select * from recent_runs where (%(name)s::text is null or name = %(name)s)"
            " and (not %(failed)s or state in ('failed', 'partial')) limit %(count)s",
            {"name": name, "failed": failed, "count": count},
        ).fetchall()
    show(rows, ("when", "name", "trigger", "state", "summary", "took", "id"), as_json=as_json)


@schedule.command("changes")
@click.argument("name", required=False, shell_complete=names)
@as_json
@speaks_plainly
def changes(name: str | None, as_json: bool) -> None:
    """Who changed what, with which program."""
    with connect() as connection:
        rows = connection.execute(
            "select * from recent_changes where %(name)s::text is null or schedule = %(name)s limit 50",
            {"name": name},
        ).fetchall()
    show(rows, ("changed_at", "changed_by", "program", "schedule", "change"), as_json=as_json)


@schedule.command("status")
@speaks_plainly
def status() -> None:
    """One screen; exit 1 when beat is silent or a schedule is late."""
    with connect() as connection:
        beats = connection.execute("select * from health").fetchall()
        quotas = connection.execute("select * from quota_status").fetchall()
        running = connection.execute("select * from running_now limit 20").fetchall()
        rows = connection.execute("select * from schedule_status").fetchall()
    show(rows, STATUS)
    click.echo()
    show(running, ("schedule", "task", "items", "elapsed", "waiting_for", "started_by"))
    click.echo()
    show(quotas, ("upstream", "per", "used", "limit", "share", "resets", "waiting", "closed_because"))
    click.echo()
    show(beats, ("name", "role", "seen", "state"))
    heard = any(row["role"] == "beat" and row["state"] == "ok" for row in beats)
    if not heard or any(row["state"].startswith("LATE") for row in rows):
        raise SystemExit(FAILED)
