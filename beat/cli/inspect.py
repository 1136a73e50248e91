"""Commands that only read: list, show, next, runs, changes, watch."""

from datetime import timedelta
from typing import Any

import click

from beat.cli.shared import name_argument, run_argument, run_id, schedules
from beat.cli.status import LIST, status
from workers import cli
from workers.text.statements import statements
from workers.text.words import count_words, duration_words

_SQL = statements(__file__)
STATUS = ("name", "runs", "state", "last_run", "result", "next_run", "pause_reason", "summary", "note")
#: What a narrow terminal goes without, in this order.
STATUS_DROP = ("note", "summary", "result", "pause_reason", "last_run")
RUNS = ("ago", "name", "trigger", "state", "took", "summary", "id")
RUNS_DROP = ("trigger", "took", "summary")
CHANGES = ("id", "ago", "changed_at", "changed_by", "program", "what", "change")
CHANGES_DROP = ("changed_at", "program", "changed_by")
AHEAD = ("local", "due_at", "ahead")

#: What `show` lists of a schedule: the statement, the columns, how many, and the command that has all.
DETAILS = {
    "next_runs": ("select * from next_runs(%s, %s)", AHEAD, 5, "schedule next"),
    "recent_runs": (
        "select * from every_run where name = %s limit %s",
        ("ago", "trigger", "state", "took", "summary", "id"),
        10,
        "schedule runs",
    ),
    "recent_changes": (
        "select * from recent_changes where schedule = %s limit %s",
        ("id", "changed_at", "changed_by", "program", "change"),
        5,
        "schedule changes",
    ),
}
TIMES = "\N{MULTIPLICATION SIGN}"
EMPTY = {
    "next_runs": "no run is to come",
    "recent_runs": "no run yet",
    "recent_changes": "no change yet",
}


@cli.command("list")
@click.option("--state", help="on, paused, disabled, late, failing, or a prefix of the state")
@cli.as_json
def list_(state: str | None) -> None:
    """Every schedule: timing, state, last result, next run; problems first."""
    found = cli.read(LIST)
    wanted, rows = (state or "").lower(), found
    if wanted == "failing":
        rows = [row for row in rows if row["consecutive_failures"] or row["result"] == "failed"]
    elif wanted:
        rows = [row for row in rows if row["state"].lower().startswith(wanted)]
    nothing = f"no schedule yet: {cli.typed('schedule add')}"
    if found:
        nothing = f"none of {count_words(len(found), 'schedule')} is {wanted}: {_states(found)}"
    cli.show(rows, STATUS, drop=STATUS_DROP, empty=nothing)


def _states(rows: list[dict[str, Any]]) -> str:
    words = [
        "set aside" if row["state"].startswith("set aside") else row["state"].split()[0].lower()
        for row in rows
    ]
    return ", ".join(f"{words.count(word)} {word}" for word in dict.fromkeys(words))


@cli.command("show")
@name_argument
@cli.as_json
def show_(name: str) -> None:
    """One schedule: its settings, next and last runs, last changes."""
    with cli.connect() as connection:
        row = connection.execute("select (schedule_named(%s)).*", (name,)).fetchone()
        more = {
            key: connection.execute(statement, (name, most + 1)).fetchall()
            for key, (statement, _, most, _) in DETAILS.items()
        }
    if cli.is_json():
        lists = {key: rows[: DETAILS[key][2]] for key, rows in more.items()}
        cli.show([{**row, **lists}], ())
        return
    settings = [
        {"setting": k, "value": duration_words(v) if isinstance(v, timedelta) else v}
        for k, v in row.items()
        if v is not None
    ]
    cli.show(settings, ("setting", "value"), lines=9)
    for key, (_, columns, most, all_by) in DETAILS.items():
        cli.say()
        which = "next" if key == "next_runs" else "newest"
        cut = cli.Cut(most, f"the {which} {most}; more: {cli.typed(all_by)} {name}")
        cli.show(more[key], columns, empty=EMPTY[key], drop=("trigger", "program", "took"), cut=cut)


@cli.command("next")
@name_argument
@cli.at_most(5)
@cli.as_json
def next_(name: str, count: int) -> None:
    """The next runs: local time, UTC, and time left."""
    with cli.connect() as connection:
        rows = connection.execute("select * from next_runs(%s, %s)", (name, count + 1)).fetchall()
        row = connection.execute(
            "select state, next_run from schedule_detail where name = %s", (name,)
        ).fetchone()
    cli.show(
        rows, AHEAD, empty=f"{name} is {row['state']}; next run: {row['next_run']}",
        cut=cli.Cut(count, f"the next {count}; later ones: -n {min(count * 5, cli.MAX_ROWS)}"),
    )  # fmt: skip


@cli.command("runs")
@click.argument("name", required=False, shell_complete=schedules)
@click.option("--failed", is_flag=True, help="only failed and partial ones")
@click.option("--since", help="e.g. 24h")
@click.option("--all", "everything", is_flag=True, help="also upkeep that found nothing to do")
@cli.at_most(20)
@cli.as_json
def runs(name: str | None, failed: bool, since: str | None, everything: bool, count: int) -> None:
    """Runs, newest first; upkeep that found nothing to do is counted."""
    given: dict[str, Any] = {"name": name, "failed": failed, "all": everything or failed}
    given |= {"since": since, "count": count + 1}
    with cli.connect() as connection:
        rows = connection.execute(_SQL["runs_of"], given).fetchall()
        if not rows and name:
            _require_known(connection, name)
        idle = []
        if rows and not given["all"] and not cli.is_json():
            oldest = {"since": rows[:count][-1]["created_at"], "name": name}
            idle = connection.execute(_SQL["idle"], oldest).fetchall()
    cli.show(
        rows, RUNS, drop=RUNS_DROP, empty=_no_runs(name, failed, since),
        cut=cli.newest(count, other="" if since else ", or --since 24h"),
    )  # fmt: skip
    if idle:
        folded = "; ".join(f"{row['runs']} {TIMES} {row['name']}, {row['found']}" for row in idle)
        cli.say(f"{folded} (--all shows them)", err=True)


def _require_known(connection: Any, name: str) -> None:
    known = connection.execute("select from run where schedule = %s limit 1", (name,)).fetchone()
    if known is None:
        # No run yet, or an unknown name, which the database refuses.
        connection.execute("select schedule_named(%s)", (name,))


def _no_runs(name: str | None, failed: bool, since: str | None) -> str:
    which = f"no {'failed ' if failed else ''}run{f' of {name}' if name else ''}"
    if since:
        return f"{which} since {since}"
    if failed:
        return which
    coming = cli.typed(f"schedule next {name}" if name else "schedule list")
    return f"{which} yet; what comes: {coming}"


@cli.command("changes")
@click.argument("name", required=False, shell_complete=schedules)
@cli.at_most(50)
@cli.as_json
def changes(name: str | None, count: int) -> None:
    """Who changed what, with which program."""
    with cli.connect() as connection:
        rows = connection.execute(
            _SQL["changes_of"],
            {"name": name, "count": count + 1},
        ).fetchall()
        if not rows and name:
            connection.execute("select schedule_named(%s)", (name,))
    cli.show(rows, CHANGES, drop=CHANGES_DROP, empty="no change yet", cut=cli.newest(count))


@cli.command("watch")
@run_argument(required=False)
@cli.as_json
def watch(run: str | None) -> None:
    """Live progress of one run, or of all active ones; Ctrl-C ends the display, not the runs."""
    from beat.cli.progress import follow

    with cli.connect() as connection:
        follow(connection, None if run is None else [run_id(connection, run)])


COMMANDS = (list_, show_, next_, runs, changes, status, watch)
