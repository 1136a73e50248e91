"""Commands that request runs, which beat handles (run, stop, retry, backfill), and undo of edits."""

import json
from typing import Any

import click

from beat.cli.shared import changes, name_argument, parse_options, run_argument, run_id, schedules
from workers import cli
from workers.text.statements import statements
from workers.text.words import count_words

_SQL = statements(__file__)
#: Columns of a backfill's cost, shown before it is confirmed.
COST = ("runs", "first_due_at", "last_due_at", "items", "calls", "upstream", "quota_left", "takes")

REQUEST = "select r.* from request_run(%s, %s, %s::jsonb) r"

RETRY = "select retry_run(%s, %s, %s) as it"
#: Columns of the runs that a retry would repeat.
RETRIED = ("schedule", "state", "error", "finished_at", "id")


@cli.command("run")
@name_argument
@click.option("--option", "options", multiple=True, metavar="NAME=VALUE", help="for this run only")
@click.option("--note", help="reason")
@click.option("--wait", is_flag=True, help="follow the run to its end; exit 1 when it fails")
@click.option("--here", is_flag=True, help="in this process, without beat, broker and workers")
@cli.as_json
def run(name: str, options: tuple[str, ...], note: str | None, wait: bool, here: bool) -> None:
    """Run a schedule now, by its overlap policy."""
    given = parse_options(options)
    if here:
        from beat.cli.here import run_here

        run_here(name, given, note)
        return
    with cli.connect() as connection:
        given_options = json.dumps(given) if given else None
        asked = connection.execute(REQUEST, (name, note, given_options)).fetchone()
        short = str(asked["new_run_id"])[:8]
        if cli.is_json() and not wait:
            cli.print_json({"request": asked["id"], "run": str(asked["new_run_id"]), "schedule": name})
        cli.say(
            f"run {short} of {name} is requested; to see it: {cli.typed(f'schedule watch {short}')}",
            err=True,
        )
        if wait:
            from beat.cli.progress import follow, wait_for_answer

            follow(connection, [wait_for_answer(connection, asked["id"])])


@cli.command("stop")
@run_argument()
@click.option("--note", help="reason")
@cli.as_json
def stop(run: str, note: str | None) -> None:
    """Stop a run: waiting batches end at once, running ones at their next call."""
    with cli.connect() as connection:
        wanted = run_id(connection, run)
        said = connection.execute("select stop_run(%s, %s) as it", (wanted, note)).fetchone()["it"]
    if cli.is_json():
        cli.print_json({"run": str(wanted), "answer": said})
    cli.say(said, err=True)


@cli.command("retry")
@run_argument(required=False)
@click.option("--failed", is_flag=True, help="the last failed run of each schedule")
@click.option("--since", default="24h", show_default=True, help="with --failed, e.g. 1h")
@click.option("--schedule", "name", help="with --failed, of this one only", shell_complete=schedules)
@click.option("--only-failed", is_flag=True, help="only the items that did not succeed")
@click.option("--note", help="reason")
@cli.dry_run
@cli.yes
@cli.as_json
def retry(
    run: str | None,
    failed: bool,
    since: str,
    name: str | None,
    dry_run: bool,
    yes: bool,
    **given: Any,
) -> None:
    """Repeat a run, or all that failed lately, with the same options."""
    if failed == (run is not None):
        raise click.UsageError("name a run by its id or its schedule, or give --failed")
    with cli.connect() as connection:
        if failed:
            rows = connection.execute(_SQL["failed_since"], {"since": since, "name": name}).fetchall()
        else:
            rows = connection.execute(_SQL["one"], (run_id(connection, run or ""),)).fetchall()
        cli.show(rows, RETRIED, empty=f"no run failed within {since}")
        if dry_run or not rows:
            cli.say(f"{count_words(len(rows), 'run')} would run again", err=True)
            return
        cli.confirm(f"Run {count_words(len(rows), 'run')} again?", yes=yes)
        with connection.transaction():
            said = [
                connection.execute(RETRY, (row["id"], given["note"], given["only_failed"])).fetchone()[
                    "it"
                ]
                for row in rows
            ]
    for sentence in said:
        cli.say(sentence, err=True)


@cli.command("backfill")
@name_argument
@click.option("--from", "first", required=True, help="first due time, included")
@click.option("--to", "last", required=True, help="last due time, included")
@click.option("--overlap", default="buffer_all", show_default=True, help="overlap policy of its runs")
@click.option("--note", help="reason")
@cli.dry_run
@cli.yes
@cli.as_json
def backfill(name: str, dry_run: bool, yes: bool, **given: str | None) -> None:
    """Run every due time of a range; shows the cost and asks before it starts."""
    values = {"name": name, **given}
    with cli.connect() as connection:
        cost = connection.execute(_SQL["backfill"], {**values, "dry_run": True}).fetchone()
        cli.show([cost], COST)
        if dry_run:
            return
        calls, left = cost["calls"], cost["quota_left"]
        if calls is not None and left is not None and calls > left:
            needed = count_words(calls, "call")
            cli.say(f"notice: it needs {needed}, {left} are left in this window", err=True)
        runs = count_words(cost["runs"], "run")
        cli.confirm(f"Start {runs}?", yes=yes)
        connection.execute(_SQL["backfill"], {**values, "dry_run": False}).fetchone()
    cli.say(f"requested {runs} of {name}; to see them: {cli.typed(f'schedule runs {name}')}", err=True)


@cli.command("undo")
@click.argument("change", type=int, shell_complete=changes)
@cli.dry_run
@cli.as_json
def undo(change: int, dry_run: bool) -> None:
    """Undo CHANGE (its id in `schedule changes`) by a new edit; refused where it was edited since."""
    with cli.connect() as connection, connection.transaction(force_rollback=dry_run):
        made = connection.execute("select (undo_change(%s)).id", (str(change),)).fetchone()["id"]
        row = connection.execute(
            "select what, change from recent_changes where id = %s", (made,)
        ).fetchone()
    if cli.is_json():
        cli.print_json({"undone": change, "id": None if dry_run else made, **row})
    cli.say(f"{'would be' if dry_run else 'is'} undone: {row['what']}: {row['change']}", err=True)


COMMANDS = (run, stop, retry, backfill, undo)
