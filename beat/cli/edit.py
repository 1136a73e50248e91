"""Commands that edit schedules: add, set, remove, pause, resume."""

import json
from collections.abc import Callable
from typing import Any

import click

from beat.cli.shared import (
    calendars,
    in_order,
    insert_statement,
    kinds,
    name_argument,
    parse_options,
    queues,
    require_schedules,
    schedules,
    some_names,
    time_of_day,
    timezones,
    update_statement,
)
from beat.time.overlap import CATCH_UPS, OVERLAPS
from workers import cli

TIMINGS = ("every", "cron", "at", "after")

#: Columns that have an option of their own, with its help.
COLUMNS = {
    "every": "e.g. '2 hours'",
    "cron": "e.g. '0 17 * * 1-5'",
    "at": "once, e.g. '2026-12-24 17:00 Europe/Berlin'",
    "after": "after each success of this other schedule",
    "timezone": "IANA zone, e.g. America/New_York",
    "calendar": "exchange: due on its trading days only, e.g. XNYS",
    "calendar_hours": "day or session",
    "starts_at": "not due earlier",
    "ends_at": "not due at or after this",
    "jitter": "spread each start over this length",
    "overlap": "skip, buffer_one, buffer_all, cancel_other, allow_all",
    "catch_up": "latest, all, none",
    "catch_up_window": "older due times are missed, not run",
    "max_runs": "stop after this many runs",
    "pause_after_failures": "pause after this many failed runs in a row",
    "alert_after": "send a notice after this many failed runs in a row",
    "alert_on_partial": "share of failed items that makes a partial run count as failed, e.g. 0.5",
    "max_attempts": "attempts per batch",
    "timeout": "maximum time of a run",
    "expires": "a run not started this long after its due time expires",
    "queue": "queue of its messages",
    "priority": "0 to 9, 9 first",
    "batch_size": "items per batch",
    "batch_delay": "minimum time between two batches",
    "max_in_flight": "batches of a run at once",
    "title": "name for people",
    "note": "reason for these settings",
}

#: Completion of their values.
VALUES = {
    "overlap": cli.completion.among(*OVERLAPS),
    "catch_up": cli.completion.among(*CATCH_UPS),
    "calendar_hours": cli.completion.among("day", "session"),
    "priority": cli.completion.among(*"0123456789"),
    "after": schedules,
    "timezone": timezones,
    "calendar": calendars,
    "queue": queues,
}

AFTER = "select name, after from schedule where name = any(%s)"

Function = Callable[..., None]


def columns(function: Function) -> Function:
    for column, help_ in reversed(COLUMNS.items()):
        option = click.option(
            f"--{column.replace('_', '-')}", column, help=help_, shell_complete=VALUES.get(column)
        )
        function = option(function)
    options = (
        click.option("--daily", metavar="HH:MM", help="every day at, in the schedule's timezone"),
        click.option("--option", "options", multiple=True, metavar="NAME=VALUE", help="task option"),
        click.option("--enabled/--disabled", "enabled", default=None, help="whether it runs at all"),
    )
    for option in options:
        function = option(function)
    return function


def changes_of(given: dict[str, Any], daily: str | None) -> dict[str, Any]:
    """Columns to write: `none` empties one; a timing replaces the earlier one."""
    if daily is not None:
        given["cron"] = time_of_day(daily)
    changes = {
        column: None if value == "none" else value
        for column, value in given.items()
        if value is not None
    }
    if any(changes.get(column) for column in TIMINGS):
        changes = {**dict.fromkeys(TIMINGS), **changes}
    return changes


def write(statement: str, values: dict[str, Any], *, dry: bool) -> None:
    """Run one statement and show the result; a dry run shows the next five runs and rolls back."""
    name = values["name"]
    with cli.connect() as connection, connection.transaction(force_rollback=dry):
        connection.execute(statement, values)
        row = connection.execute(
            "select schedule_words(s) as runs, s.enabled,"
            " (select ahead from next_runs(s.name, 1)) as ahead from schedule s where name = %s",
            (name,),
        ).fetchone()
        coming = connection.execute("select * from next_runs(%s, 5)", (name,)).fetchall() if dry else []
    if dry:
        cli.say(f"{name} would run {row['runs']}", err=True)
        cli.show(coming, ("local", "due_at", "ahead"))
        return
    ahead = row["ahead"] or ("not scheduled" if row["enabled"] else "disabled")
    if cli.is_json():
        cli.print_json({"schedule": name, "runs": row["runs"], "next": ahead})
    cli.say(f"{name} runs {row['runs']}, next: {ahead}", err=True)


@cli.command("set")
@name_argument
@columns
@cli.dry_run
@cli.as_json
def set_(
    name: str,
    daily: str | None,
    options: tuple[str, ...],
    dry_run: bool,
    **given: Any,
) -> None:
    """Change a schedule; columns not named stay as they are, `none` empties one."""
    changes = changes_of(given, daily)
    added = parse_options(options)
    if not changes and not added:
        raise click.UsageError("nothing to change: give --every, --cron, --daily, --option or --note …")
    with cli.connect() as connection:
        require_schedules(connection, [name])
    more = ["options = options || %(options)s::jsonb"] if added else []
    values = {**changes, "options": json.dumps(added), "name": name}
    write(update_statement(changes, *more), values, dry=dry_run)


@cli.command("add")
@click.argument("name")
@click.option("--task", required=True, shell_complete=kinds,
              help="kind of work, e.g. tasks.prices.refresh")  # fmt: skip
@columns
@cli.dry_run
@cli.as_json
def add(
    name: str,
    daily: str | None,
    options: tuple[str, ...],
    dry_run: bool,
    **given: Any,
) -> None:
    """Add a schedule."""
    row = {**changes_of(given, daily), "options": json.dumps(parse_options(options))}
    write(insert_statement(row), {**row, "name": name}, dry=dry_run)
    cli.completion.forget("schedule")


@cli.command("remove")
@some_names
@cli.yes
@cli.as_json
def remove(wanted: tuple[str, ...], yes: bool) -> None:
    """Delete schedules; their history stays under their names."""
    if not wanted:
        raise click.UsageError("give one name or more")
    with cli.connect() as connection:
        require_schedules(connection, wanted)
        cli.confirm(f"Delete {', '.join(wanted)}?", yes=yes)
        after = connection.execute(AFTER, (list(wanted),)).fetchall()
        with connection.transaction():
            # What follows another goes before it.
            for name in in_order({row["name"]: row for row in after})[::-1]:
                connection.execute("delete from schedule where name = %s", (name,))
    cli.completion.forget("schedule")
    cli.tell("removed: " + ", ".join(wanted), removed=list(wanted))


def _until(for_: str | None, until: str | None) -> tuple[str, dict[str, Any]]:
    if for_:
        return "clock_timestamp() + %(for)s::interval", {"for": for_}
    return ("%(until)s::timestamptz", {"until": until}) if until else ("'infinity'", {})


def _all_or_named(wanted: tuple[str, ...], everything: bool) -> None:
    if bool(wanted) == everything:
        raise click.UsageError("give one name or more, or --all")


def _tell(answers: list[str]) -> None:
    if cli.is_json():
        cli.print_json(answers)
    for answer in answers:
        cli.say(answer, err=True)


@cli.command("pause")
@some_names
@click.option("--all", "everything", is_flag=True, help="every schedule, by one switch")
@click.option("--note", help="reason")
@click.option("--for", "for_", help="e.g. 2h")
@click.option("--until", help="a time")
@cli.as_json
def pause(
    wanted: tuple[str, ...],
    everything: bool,
    note: str | None,
    for_: str | None,
    until: str | None,
) -> None:
    """Pause schedules."""
    _all_or_named(wanted, everything)
    if everything and (for_ or until):
        raise click.UsageError("--all takes no end; resume --all ends it")
    expression, values = _until(for_, until)
    statement = f"select pause(%(name)s, %(note)s, {expression}) as it"
    with cli.connect() as connection, connection.transaction():
        if everything:
            answers = [connection.execute("select pause_all(%s) as it", (note,)).fetchone()["it"]]
        else:
            each = ({"name": name, "note": note, **values} for name in wanted)
            answers = [connection.execute(statement, one).fetchone()["it"] for one in each]
    _tell(answers)


@cli.command("resume")
@some_names
@click.option("--all", "everything", is_flag=True, help="end pause --all")
@cli.as_json
def resume(wanted: tuple[str, ...], everything: bool) -> None:
    """End a pause, also an automatic one; missed due times do not all run at once."""
    _all_or_named(wanted, everything)
    with cli.connect() as connection, connection.transaction():
        if everything:
            answers = [connection.execute("select resume_all() as it").fetchone()["it"]]
        else:
            resumed = "select resume(%s) as it"
            answers = [connection.execute(resumed, (name,)).fetchone()["it"] for name in wanted]
    _tell(answers)


COMMANDS = (add, set_, remove, pause, resume)
