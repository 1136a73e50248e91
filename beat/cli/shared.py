"""What the commands share: completion of names, options, NAME=VALUE pairs, statements on `schedule`."""

import json
import re
from collections.abc import Callable, Iterable
from typing import Any
from uuid import UUID

import click
from click.shell_completion import CompletionItem

from workers.cli import completion

Function = Callable[..., None]
_CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d", re.ASCII)

#: Completion of schedules by name.
schedules = completion.of(
    "schedule",
    "select name, schedule_words(s) || case when enabled then '' else ', disabled' end"
    " from schedule s order by name",
)
#: Completion of runs by the first characters of their ids.
runs = completion.of(
    "run",
    "select left(id::text, 8), name || ' ' || state || ', ' || ago_words(created_at)"
    " from (select id, coalesce(schedule, task) as name, state, created_at from run"
    " order by created_at desc limit 50) r",
)
#: Completion of edits by their ids.
changes = completion.of(
    "change",
    "select id::text, cut_words(what || ', ' || change, 60) from recent_changes limit 50",
)
kinds = completion.of(
    "kind",
    "select name, split_part(description, '. ', 1) from task_kind"
    " where retired_at is null order by name",
)
timezones = completion.of("timezone", "select name, null from timezone_name order by name")
calendars = completion.of("calendar", "select mic, title from market order by mic")
queues = completion.of(
    "queue", "select distinct queue, null from task_kind where retired_at is null order by queue"
)


def run_argument(*, required: bool = True) -> Callable[[Function], Function]:
    """A run: the beginning of its id, or a schedule for its last one."""
    return click.argument("run", metavar="RUN", required=required, shell_complete=runs_and_schedules)


def runs_and_schedules(
    context: click.Context, param: click.Parameter, begun: str
) -> list[CompletionItem[str]]:
    return runs(context, param, begun) + schedules(context, param, begun)


def run_id(connection: Any, run: str) -> UUID:
    """The run that people name by the beginning of its id, or by its schedule."""
    found: UUID = connection.execute("select run_named(%s) as id", (run,)).fetchone()["id"]
    return found


name_argument = click.argument("name", shell_complete=schedules)
some_names = click.argument("wanted", metavar="NAME…", nargs=-1, shell_complete=schedules)


def require_schedules(connection: Any, wanted: Iterable[str]) -> None:
    """Fail in the database's words, with similar names, when there is no such schedule."""
    for name in wanted:
        connection.execute("select schedule_named(%s)", (name,))


def in_order(rows: dict[str, dict[str, Any]]) -> list[str]:
    """Names ordered so that each follows its ``after`` (the database refuses circles)."""
    ordered: list[str] = []
    left = dict.fromkeys(rows)
    while left:
        free = [name for name in left if rows[name].get("after") not in left] or list(left)
        ordered += free
        for name in free:
            del left[name]
    return ordered


def insert_statement(columns: Iterable[str]) -> str:
    quoted = ", ".join(f'"{column}"' for column in columns)
    values = ", ".join(f"%({column})s" for column in columns)
    return f"insert into schedule (name, {quoted}) values (%(name)s, {values})"  # noqa: S608


def update_statement(columns: Iterable[str], *more: str) -> str:
    sets = [*(f'"{column}" = %({column})s' for column in columns), *more]
    return f"update schedule set {', '.join(sets)} where name = %(name)s"  # noqa: S608


def parse_options(pairs: tuple[str, ...]) -> dict[str, Any]:
    """NAME=VALUE pairs; a value that is JSON is read as JSON, anything else is text."""
    found: dict[str, Any] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals:
            raise click.UsageError(
                f'--option "{pair}" is not NAME=VALUE; write e.g. --option max_tokens=5'
            )
        try:
            found[key] = json.loads(value)
            # Python reads and writes NaN and Infinity, which no JSON has.
            json.dumps(found[key], allow_nan=False)
        except ValueError:
            found[key] = value
    return found


def time_of_day(text: str) -> str:
    """HH:MM as a cron text for every day."""
    if _CLOCK.fullmatch(text):
        hour, _, minute = text.partition(":")
        return f"{int(minute)} {int(hour)} * * *"
    raise click.UsageError(f'--daily "{text}" is not a time of day; write HH:MM from 00:00 to 23:59')
