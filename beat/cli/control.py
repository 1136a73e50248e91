"""Commands that request runs: run, stop, retry, backfill; beat handles the requests."""

from __future__ import annotations

import json
from uuid import UUID

import click

from beat.cli.shared import length, name_argument, parse_options, runs, schedules
from workers.cli import (
    NOT_FOUND,
    as_json,
    command,
    confirm,
    connect,
    dry_run,
    fail,
    handle_db_errors,
    say,
    show,
    typed,
    yes,
)

#: Columns of a backfill's cost, shown before it is confirmed.
COST = ("runs", "first_due_at", "last_due_at", "items", "calls", "upstream", "quota_left", "takes")
BACKFILL = """
select * from backfill(%(name)s, %(first)s, %(last)s, %(overlap)s,
                       dry_run => %(dry_run)s, reason => %(note)s)
"""

#: Columns of the runs that a retry would repeat.
RETRIED = ("schedule", "state", "error", "finished_at", "id")
ONE = (
    "select id, coalesce(schedule, task) as schedule, state, error, finished_at from run where id = %s"
)
FAILED_SINCE = """
select distinct on (schedule) id, schedule, state, error, finished_at from run
 where state in ('failed', 'partial') and schedule is not null
   and finished_at > clock_timestamp() - %(since)s::interval
   and (%(name)s::text is null or schedule = %(name)s)
 order by schedule, finished_at desc
"""


@command("run")
@name_argument
@click.option("--option", "options", multiple=True, metavar="NAME=VALUE", help="for this run only")
@click.option("--note", help="reason")
@click.option("--wait", is_flag=True, help="follow the run to its end; exit 1 when it fails")
@click.option("--here", is_flag=True, help="in this process, without beat, broker and workers")
@handle_db_errors
def run(name: str, options: tuple[str, ...], note: str | None, wait: bool, here: bool) -> None:
    """Run a schedule now, by its overlap policy."""
    given = parse_options(options)
    if here:
        from beat.cli.here import run_here

        run_here(name, given, note)
        return
    with connect() as connection:
        request = connection.execute(
            "select (run_now(%s, %s, %s::jsonb)).id", (name, note, json.dumps(given) if given else None)
        ).fetchone()["id"]
        say(f"requested (request {request})", err=True)
        if wait:
            from beat.cli.progress import follow, wait_for_answer

            follow(connection, [wait_for_answer(connection, request)])


@command("stop")
@click.argument("run_id", metavar="RUN", type=click.UUID, shell_complete=runs)
@click.option("--note", help="reason")
@handle_db_errors
def stop(run_id: UUID, note: str | None) -> None:
    """Stop a run: waiting batches end at once, running ones at their next call."""
    with connect() as connection:
        connection.execute("select stop_run(%s, %s)", (run_id, note))
    say("stop requested", err=True)


@command("retry")
@click.argument("run_id", metavar="RUN", type=click.UUID, required=False, shell_complete=runs)
@click.option("--failed", is_flag=True, help="the last failed run of each schedule")
@click.option("--since", default="24h", show_default=True, help="with --failed, e.g. 1h")
@click.option("--schedule", "name", help="with --failed, of this one only", shell_complete=schedules)
@click.option("--note", help="reason")
@dry_run
@yes
@handle_db_errors
def retry(
    run_id: UUID | None,
    failed: bool,
    since: str,
    name: str | None,
    note: str | None,
    dry_run: bool,
    yes: bool,
) -> None:
    """Repeat a run, or all that failed lately, with the same options."""
    if failed == (run_id is not None):
        raise click.UsageError("give the id of a run, or --failed")
    with connect() as connection:
        if failed:
            rows = connection.execute(FAILED_SINCE, {"since": length(since), "name": name}).fetchall()
        else:
            rows = connection.execute(ONE, (run_id,)).fetchall()
            if not rows:
                fail(f"no run with id {run_id}", typed("schedule runs") + " shows their ids", NOT_FOUND)
        show(rows, RETRIED)
        if dry_run or not rows:
            say(f"{len(rows)} would run again", err=True)
            return
        confirm(f"Run {len(rows)} again?", yes=yes)
        with connection.transaction():
            for row in rows:
                connection.execute("select retry_run(%s, %s)", (row["id"], note))
    say(f"requested {len(rows)} runs", err=True)


@command("backfill")
@name_argument
@click.option("--from", "first", required=True, help="first due time, included")
@click.option("--to", "last", required=True, help="last due time, included")
@click.option("--overlap", default="buffer_all", show_default=True, help="overlap policy of its runs")
@click.option("--note", help="reason")
@dry_run
@yes
@as_json
@handle_db_errors
def backfill(name: str, dry_run: bool, yes: bool, as_json: bool, **given: str | None) -> None:
    """Run every due time of a range; shows the cost and asks before it starts."""
    values = {"name": name, **given}
    with connect() as connection:
        cost = connection.execute(BACKFILL, {**values, "dry_run": True}).fetchone()
        show([cost], COST, as_json=as_json)
        if dry_run:
            return
        calls, left = cost["calls"], cost["quota_left"]
        if calls is not None and left is not None and calls > left:
            say(f"notice: it needs {calls} calls, {left} are left in this window", err=True)
        confirm(f"Start {cost['runs']} runs?", yes=yes)
        made = connection.execute(BACKFILL, {**values, "dry_run": False}).fetchone()
    say(f"requested (request {made['request_id']})", err=True)


COMMANDS = (run, stop, retry, backfill)
