"""The mistakes of docs/reference/refusals.md as people type them at each surface."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
_UPDATE = re.compile(r"UPDATE schedule SET (.*) WHERE name = '(\w+)'$")
_ASSIGNED = re.compile(r"(\w+) = ('[^']*'|[\w.-]+)(?:, |$)")
_RUN = re.compile(r"SELECT run_now\('(\w+)'\)$")
#: Columns that no option of `schedule set` writes.
NO_OPTION = {"name", "task", "pause_reason", "options"}


def table() -> list[tuple[str, str, str]]:
    """Statement, answer and hint of each mistake."""
    page = (ROOT / "docs" / "reference" / "refusals.md").read_text()
    found = []
    for part in re.findall(r"\| mistake \| answer \| hint \|\n.*?\n(?=\n|\Z)", page, re.DOTALL):
        for line in part.strip().splitlines()[2:]:
            statement, answer, hint = (cell.strip() for cell in line[2:-1].split(" | "))
            found.append((statement.strip("`"), answer, hint))
    return found


def matches(said: str | None, written: str) -> bool:
    """Whether ``said`` is ``written``, where an ellipsis stands for anything."""
    pattern = ".*".join(re.escape(part.strip()) for part in written.split("…"))
    return re.fullmatch(pattern, said or "") is not None or written == said


def changes_of(statement: str) -> tuple[str, dict[str, str | None]] | None:
    """The schedule and the columns of an UPDATE of one schedule; None for another statement."""
    found = _UPDATE.match(statement)
    if found is None:
        return None
    given = {c: None if v == "NULL" else v.strip("'") for c, v in _ASSIGNED.findall(found[1])}
    return found[2], given


def command_of(statement: str) -> str | None:
    """The command that makes the same mistake; None where there is none."""
    if run := _RUN.match(statement):
        return f"schedule run {run[1]}"
    update = changes_of(statement)
    if update is None or update[1].keys() & NO_OPTION:
        return None
    name, given = update
    # A timing replaces the earlier one: the command cannot leave two, and empties no other.
    options = {c: v for c, v in given.items() if v is not None}
    if not options or options == {"cron": "@daily"}:
        return None
    return shlex.join(
        ["schedule", "set", name, *(f"--{c.replace('_', '-')}={v}" for c, v in options.items())]
    )


LIST = ROOT / "docs" / "reference" / "mistakes.txt"


@dataclass(frozen=True)
class Typed:
    """A line of mistakes.txt: a command with its variables and its input."""

    line: str
    command: str
    env: dict[str, str]
    given: str


def typed_ones() -> dict[str, list[Typed]]:
    """The lines of mistakes.txt by heading."""
    found: dict[str, list[Typed]] = {}
    for line in LIST.read_text().splitlines():
        if line.startswith("## "):
            found[line.removeprefix("## ")] = []
        elif line and not line.startswith("#"):
            list(found.values())[-1].append(_typed(line))
    return found


def _typed(line: str) -> Typed:
    before, pipe, command = line.rpartition(" | ")
    words = shlex.split(before)
    env = {}
    while "=" in (first := shlex.split(command)[0]):
        name, _, env[name] = first.partition("=")
        command = command[command.index(" watchkeeper") + 1 :]
    return Typed(line, command, env, words[-1] if pipe else "")


def said(text: str) -> tuple[str, str]:
    """The error and the hint of what a command wrote to stderr."""
    error = re.search(r"^[Ee]rror: (.*)", text, re.MULTILINE)
    hint = re.search(r"^hint:  (.*)", text, re.MULTILINE)
    return (error[1] if error else ""), (hint[1] if hint else "")


ROWS = [
    ("discovery", "tasks.discovery.discover", "every", "6 hours"),
    ("surveillance", "tasks.discovery.surveil", "every", "4 hours"),
    ("retention", "tasks.upkeep.retention", "cron", "40 3 * * *"),
    ("follower", "tasks.prices.refresh", "after", "discovery"),
]


@pytest.fixture
def shipped(connection: Any) -> Any:
    """Schedules and kinds as a new installation has them, limits of intervals included."""
    from workers.db import transaction
    from workers.ledger import kinds
    from workers.migrate import registered

    with transaction() as alchemy:
        kinds.register(alchemy, registered(), relaxed=False)
    for name, task, column, value in ROWS:
        connection.execute(
            f"insert into schedule (name, task, {column}) values (%s, %s, %s)", (name, task, value)
        )
    return connection
