"""Verbs for schedules as a file: export writes YAML, apply makes the table like the file."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from beat.cli.shared import dry_run, some_names, yes
from workers.output import REFUSED, confirm, connect, fail, handle_db_errors, say

#: Columns of `schedule` that people own, in the order of the file, each with its default.
COLUMNS: dict[str, Any] = {
    "title": None, "task": None, "options": {}, "every": None, "cron": None, "at": None, "after": None,
    "timezone": "UTC", "calendar": None, "calendar_hours": "day", "starts_at": None, "ends_at": None,
    "jitter": None, "overlap": "skip", "catch_up": "latest", "catch_up_window": "1 day",
    "max_runs": None,
    "enabled": True, "paused_until": None, "pause_reason": None, "note": None,
    "pause_after_failures": None, "alert_after": 1, "alert_on_partial": 0.5,
    "max_attempts": None, "timeout": None, "expires": None, "queue": None, "priority": 5,
    "batch_size": None, "batch_delay": None, "max_in_flight": None,
}  # fmt: skip
INTERVALS = ("every", "jitter", "catch_up_window", "timeout", "expires", "batch_delay")
TIMES = ("at", "starts_at", "ends_at", "paused_until")

#: What YAML 1.1 makes of 17:00 (a number of base sixty) and of dates is not wanted; numbers are.
SIXTY = re.compile("tag:yaml.org,2002:(int|float|timestamp)$")
WHOLE = re.compile(r"[-+]?[0-9]+$")
BROKEN = re.compile(r"[-+]?[0-9]*\.?[0-9]+([eE][-+]?[0-9]+)?$")

HEAD = """\
# Schedules of Watchkeeper; what is not written has its default.  celery schedule apply FILE
"""


def _shown(column: str) -> str:
    """The expression that reads ``column`` for people."""
    if column in INTERVALS:
        words = f"duration_words({column})"
        return (
            f"case when {words}::interval = {column} then {words} else {column}::text end as {column}"
        )
    if column == "alert_on_partial":
        return f"{column}::float8 as {column}"
    if column in TIMES:
        return f'to_json("{column}") #>> \'{{}}\' as "{column}"'
    return f'"{column}"'


def read_all(connection: Any) -> dict[str, dict[str, Any]]:
    """Every schedule by name, as the file has it: lengths in words, times in UTC, no defaults."""
    shown = ", ".join(_shown(column) for column in COLUMNS)
    rows = connection.execute(f"select name, {shown} from schedule order by name")  # noqa: S608
    return {row.pop("name"): tidy(row) for row in rows}


def tidy(row: dict[str, Any]) -> dict[str, Any]:
    """``row`` in the file's order without what is as it would be anyway."""
    return {c: row[c] for c, default in COLUMNS.items() if c in row and row[c] != default}


def parse(text: str) -> dict[str, dict[str, Any]]:
    """The schedules of a file by name; ends the command when it has another form."""
    import yaml

    class Loader(yaml.SafeLoader):
        """17:00 and 2026-12-24 stay texts, as people mean them: Postgres reads them."""

    Loader.yaml_implicit_resolvers = {
        first: [(tag, at) for tag, at in found if not SIXTY.match(tag)]
        for first, found in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    Loader.add_implicit_resolver("tag:yaml.org,2002:int", WHOLE, list("-+0123456789"))
    Loader.add_implicit_resolver("tag:yaml.org,2002:float", BROKEN, list("-+0123456789."))
    try:
        found = yaml.load(text, Loader)  # noqa: S506 - a SafeLoader
    except yaml.YAMLError as error:
        fail(f"this is no YAML: {str(error).partition(chr(10))[0]}", None, REFUSED)
    found = {} if found is None else found
    if not isinstance(found, dict) or not all(isinstance(one, dict) for one in found.values()):
        fail("a file of schedules has a name on each first level, and columns under it",
             "celery schedule export shows the form", REFUSED)  # fmt: skip
    for name, row in found.items():
        for column in row:
            if column not in COLUMNS:
                fail(f'schedule has no column "{column}" (in {name})',
                     f"It has: {', '.join(COLUMNS)}", REFUSED)  # fmt: skip
    return {str(name): row for name, row in found.items()}


def write_one(connection: Any, name: str, row: dict[str, Any], *, exists: bool) -> None:
    """Make one schedule like ``row``, columns left out included."""
    full = {**COLUMNS, **row}
    full["options"] = json.dumps(full["options"])
    # YAML reads a bare number as one; Postgres reads it as seconds when it is text.
    full |= {c: str(full[c]) for c in INTERVALS if full[c] is not None}
    if exists:
        sets = ", ".join(f'"{column}" = %({column})s' for column in full)
        connection.execute(f"update schedule set {sets} where name = %(name)s", {**full, "name": name})  # noqa: S608
        return
    columns = ", ".join(f'"{column}"' for column in full)
    values = ", ".join(f"%({column})s" for column in full)
    statement = f"insert into schedule (name, {columns}) values (%(name)s, {values})"  # noqa: S608
    connection.execute(statement, {**full, "name": name})


def in_order(rows: dict[str, dict[str, Any]]) -> list[str]:
    """Names so that each comes after the one it runs after (a circle is left to the database)."""
    ordered: list[str] = []
    left = dict.fromkeys(rows)
    while left:
        free = [name for name in left if rows[name].get("after") not in left] or list(left)
        ordered += free
        for name in free:
            del left[name]
    return ordered


@dataclass(frozen=True)
class Difference:
    """What applying a file changes, name by name."""

    added: list[str]
    changed: dict[str, dict[str, tuple[Any, Any]]]
    removed: list[str]
    wanted: dict[str, dict[str, Any]]

    def __len__(self) -> int:
        return len(self.added) + len(self.changed) + len(self.removed)

    def lines(self) -> list[str]:
        """The difference for people."""
        found = [f"+ {name}: {words(self.wanted[name])}" for name in self.added]
        for name, columns in self.changed.items():
            found.append(f"~ {name}")
            found += [
                f"    {column}: {said(old)} -> {said(new)}" for column, (old, new) in columns.items()
            ]
        return found + [f"- {name}" for name in self.removed]


def said(value: Any) -> str:
    """A value of a column on one line."""
    if value is None:
        return "nothing"
    return value if isinstance(value, str) else json.dumps(value)


def words(row: dict[str, Any]) -> str:
    """A new schedule on one line."""
    return ", ".join(f"{column} {said(value)}" for column, value in row.items())


def make_alike(connection: Any, wanted: dict[str, dict[str, Any]], *, prune: bool) -> Difference:
    """Write what differs and return it; what Postgres makes of a value is what is compared."""
    before = read_all(connection)
    removed = sorted(before.keys() - wanted.keys()) if prune else []
    for name in in_order({name: before[name] for name in removed})[::-1]:
        connection.execute("delete from schedule where name = %s", (name,))
    for name in in_order(wanted):
        write_one(connection, name, wanted[name], exists=name in before)
    after = read_all(connection)
    changed = {
        name: {
            column: (before[name].get(column, default), after[name].get(column, default))
            for column, default in COLUMNS.items()
            if before[name].get(column, default) != after[name].get(column, default)
        }
        for name in after
        if name in before and before[name] != after[name]
    }
    return Difference(sorted(after.keys() - before.keys()), changed, removed, after)


@click.command("export")
@some_names
@click.option("--file", "path", type=click.Path(dir_okay=False, path_type=Path), help="default: stdout")
@handle_db_errors
def export(wanted: tuple[str, ...], path: Path | None) -> None:
    """Write schedules, all or those named, as YAML."""
    import yaml

    with connect() as connection:
        for name in wanted:
            connection.execute("select schedule_named(%s)", (name,))
        found = read_all(connection)
    chosen = {name: row for name, row in found.items() if not wanted or name in wanted}
    text = HEAD + yaml.safe_dump(chosen, sort_keys=False, allow_unicode=True, width=100)
    if path is None:
        say(text, nl=False)
        return
    path.write_text(text)
    say(f"{len(chosen)} schedules written to {path}", err=True)


@click.command("apply")
@click.argument("file", type=click.File())
@click.option("--prune", is_flag=True, help="also delete schedules that the file does not have")
@dry_run
@yes
@handle_db_errors
def apply(file: Any, prune: bool, dry_run: bool, yes: bool) -> None:
    """Make schedules like FILE (- for stdin): show what differs, ask, do all of it or nothing."""
    wanted = parse(file.read())
    with connect() as connection:
        # Tried first and undone, so that nothing is locked while a person thinks.
        with connection.transaction(force_rollback=True):
            found = make_alike(connection, wanted, prune=prune)
        for line in found.lines():
            say(line)
        if not found or dry_run:
            say(f"{len(found)} would change" if found else "nothing differs", err=True)
            return
        confirm(f"Apply {len(found)} changes?", yes=yes)
        with connection.transaction():
            make_alike(connection, wanted, prune=prune)
    say(f"applied {len(found)} changes", err=True)


COMMANDS = (export, apply)
