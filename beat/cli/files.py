"""Schedules as a file: export writes YAML, apply makes the table equal to the file."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from beat.cli.shared import (
    in_order,
    insert_statement,
    require_schedules,
    some_names,
    update_statement,
)
from workers import cli
from workers.text.words import count_words

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

HEAD = """\
# Schedules of Watchkeeper; columns left out have their defaults.  watchkeeper schedule apply FILE
"""


def _shown(column: str) -> str:
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
    """Every schedule by name, as in the file: lengths in words, times in UTC, no defaults."""
    shown = ", ".join(_shown(column) for column in COLUMNS)
    rows = connection.execute(f"select name, {shown} from schedule order by name")  # noqa: S608
    return {row.pop("name"): tidy(row) for row in rows}


def tidy(row: dict[str, Any]) -> dict[str, Any]:
    """``row`` in the file's order without defaults."""
    return {c: row[c] for c, default in COLUMNS.items() if c in row and row[c] != default}


def parse(text: str) -> dict[str, dict[str, Any]]:
    """The schedules of a file by name; exits when the file has another form."""
    from beat.cli import yaml_files

    found = yaml_files.load(text)
    found = {} if found is None else found
    if not isinstance(found, dict) or not all(isinstance(one, dict) for one in found.values()):
        cli.fail("each top-level key must be the name of a schedule, with its columns below it",
                 cli.typed("schedule export") + " shows the form", cli.REFUSED)  # fmt: skip
    for name, row in found.items():
        for column in row:
            if column not in COLUMNS:
                cli.fail(f'schedule has no column "{column}" (in {name})',
                         f"It has: {', '.join(COLUMNS)}", cli.REFUSED)  # fmt: skip
    return {str(name): row for name, row in found.items()}


def write_one(connection: Any, name: str, row: dict[str, Any], *, exists: bool) -> None:
    """Make one schedule equal to ``row``; columns left out get their defaults."""
    full = {**COLUMNS, **row}
    full["options"] = json.dumps(full["options"])
    # YAML reads a bare number as one; Postgres reads it as seconds when it is text.
    full |= {c: str(full[c]) for c in INTERVALS if full[c] is not None}
    statement = update_statement(full) if exists else insert_statement(full)
    connection.execute(statement, {**full, "name": name})


@dataclass(frozen=True)
class Difference:
    added: list[str]
    changed: dict[str, dict[str, tuple[Any, Any]]]
    removed: list[str]
    wanted: dict[str, dict[str, Any]]

    def __len__(self) -> int:
        return len(self.added) + len(self.changed) + len(self.removed)

    def lines(self) -> list[str]:
        found = [f"+ {name}: {summary(self.wanted[name])}" for name in self.added]
        for name, columns in self.changed.items():
            found.append(f"~ {name}")
            for column, (old, new) in columns.items():
                found.append(f"    {column}: {display(old)} -> {display(new)}")
        return found + [f"- {name}" for name in self.removed]


def display(value: Any) -> str:
    if value is None:
        return "nothing"
    return value if isinstance(value, str) else json.dumps(value)


def summary(row: dict[str, Any]) -> str:
    return ", ".join(f"{column} {display(value)}" for column, value in row.items())


def synchronize(connection: Any, wanted: dict[str, dict[str, Any]], *, prune: bool) -> Difference:
    """Write and return the differences; values are compared as Postgres reads them."""
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


@cli.command("export")
@some_names
@click.option("--file", "path", type=click.Path(dir_okay=False, path_type=Path), help="default: stdout")
@cli.as_json
def export(wanted: tuple[str, ...], path: Path | None) -> None:
    """Write schedules, all or those named, as YAML; apply reads JSON too."""
    from beat.cli import yaml_files

    with cli.connect() as connection:
        require_schedules(connection, wanted)
        found = read_all(connection)
    chosen = {name: row for name, row in found.items() if not wanted or name in wanted}
    text = HEAD + yaml_files.dump(chosen)
    if cli.is_json():
        text = json.dumps(chosen) + "\n"
    if path is None:
        cli.say_file(text)
        return
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise click.BadParameter(f"'{path}': {error.strerror}", param_hint="'--file'") from None
    cli.say(f"{count_words(len(chosen), 'schedule')} written to {path}", err=True)


@cli.command("apply")
@click.argument("file", type=click.File(encoding="utf-8"))
@click.option("--prune", is_flag=True, help="also delete schedules that are not in the file")
@cli.dry_run
@cli.yes
@cli.as_json
def apply(file: Any, prune: bool, dry_run: bool, yes: bool) -> None:
    """Make the schedules equal to FILE (- for stdin): show differences, ask, apply all or none."""
    wanted = parse(file.read())
    with cli.connect() as connection:
        # A trial that is rolled back, so that no row stays locked while a person reads.
        with connection.transaction(force_rollback=True):
            found = synchronize(connection, wanted, prune=prune)
        if cli.is_json():
            cli.print_json({"added": found.added, "changed": found.changed, "removed": found.removed})
        for line in () if cli.is_json() else found.lines():
            cli.say(line)
        if not found or dry_run:
            cli.say(f"{len(found)} would change" if found else "nothing differs", err=True)
            return
        cli.confirm(f"Apply {count_words(len(found), 'change')}?", yes=yes)
        with connection.transaction():
            synchronize(connection, wanted, prune=prune)
    cli.completion.forget("schedule")
    cli.say(f"applied {count_words(len(found), 'change')}", err=True)


COMMANDS = (export, apply)
