"""`--dry-run` never does anything: every command that has it is found by looking, and walked."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import click
import pytest
import redis
from click.testing import CliRunner

FILE = "new:\n  task: tests.noop\n  every: 2 hours\n"

#: Arguments with which each of them would change something; RUN is the id of a failed run, EDIT of a change.
ARGUMENTS: dict[str, list[list[str]]] = {
    "schedule add": [["other", "--task", "tests.noop", "--every", "1 hour"]],
    "schedule set": [["failed", "--every", "3 hours", "--note", "slower"], ["failed", "--disabled"]],
    "schedule retry": [["RUN"], ["RUN", "--yes"], ["--failed"], ["--failed", "--yes"]],
    "schedule backfill": [
        ["failed", "--from", "2026-01-01T00:00Z", "--to", "2026-01-01T05:59Z"],
        ["failed", "--from", "2026-01-01T00:00Z", "--to", "2026-01-01T05:59Z", "--yes"],
    ],
    "schedule undo": [["EDIT"]],
    "upstream limit": [["head_fi", "--calls", "5", "--per", "1 minute"]],
    "upstream set": [["head_fi", "--disabled", "--note", "why"]],
    "upstream unblock": [["head_fi", "--note", "why"]],
    "schedule apply": [["-"], ["-", "--yes"], ["-", "--prune", "--yes"]],
}

#: Those that read another scheduler's tables or keys: tests of moving walk them with the real packages.
ELSEWHERE = ("schedule import",)

TABLES = """
select format('select %L as "table", md5(string_agg(t::text, '''' order by t::text)) from %I t', relname, relname) as query
  from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')
"""


def dry(command: click.Command, path: str) -> Iterator[str]:
    """Paths of the commands under ``command`` that have --dry-run."""
    if any("--dry-run" in parameter.opts for parameter in command.params):
        yield path
    if isinstance(command, click.Group):
        for name, one in command.commands.items():
            yield from dry(one, f"{path} {name}")


@cache
def roots() -> dict[str, click.Command]:
    found = {one.name: one.load() for one in entry_points(group="celery.commands")}
    return {name: command for name, command in found.items() if isinstance(command, click.Command)}


def aliases() -> dict[str, str]:
    """Each path that has --dry-run with the one whose arguments it takes: itself, or what it is an alias of."""
    paths = sorted({path for name, root in roots().items() for path in dry(root, name)})
    commands = {path: resolve(path) for path in paths}
    return {
        path: next(known for known in ARGUMENTS if resolve(known).callback is commands[path].callback)
        for path in paths
        if not path.startswith(ELSEWHERE)
    }


def resolve(path: str) -> click.Command:
    first, *rest = path.split()
    command = roots()[first]
    for name in rest:
        assert isinstance(command, click.Group)
        command = command.commands[name]
    return command


def snapshot(connection: Any, broker: redis.Redis) -> dict[str, Any]:
    """Every row of every table, and every message."""
    tables = [row["query"] for row in connection.execute(TABLES).fetchall()]
    rows = [connection.execute(query).fetchone() for query in tables]
    return {row["table"]: row["md5"] for row in rows} | {"messages": broker.dbsize()}


def test_every_command_with_a_dry_run_is_walked() -> None:
    assert set(aliases().values()) == ARGUMENTS.keys()


@pytest.mark.outside(7)
@pytest.mark.parametrize("path", sorted(aliases()))
def test_a_dry_run_changes_nothing_and_the_same_without_it_does(
    path: str, drive: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    drive.schedule("failed")
    drive.work()
    drive.end("failed", "failed", error="nothing works")
    drive.work()
    drive.sql.execute("update upstream_state set blocked_until = now() + interval '1 day'")
    edit = drive.all("select id from change order by id desc limit 1")[0]["id"]
    stands_for = {"RUN": str(drive.runs("failed")[0]["id"]), "EDIT": str(edit)}
    first, *rest = path.split()
    runner = CliRunner()
    for arguments in ARGUMENTS[aliases()[path]]:
        given = [stands_for.get(one, one) for one in arguments]
        before = snapshot(drive.sql, drive.redis)

        done = runner.invoke(roots()[first], [*rest, *given, "--dry-run"], input=FILE)

        assert (done.exit_code, snapshot(drive.sql, drive.redis)) == (0, before), (given, done.output)
    wet = runner.invoke(roots()[first], [*rest, *given], input=FILE)
    assert wet.exit_code == 0, wet.output
    assert snapshot(drive.sql, drive.redis) != before


@pytest.mark.outside(7)
def test_a_single_retry_asks_as_many_do_unless_yes(drive: Any) -> None:
    drive.schedule("failed")
    drive.work()
    drive.end("failed", "failed", error="nothing works")
    run_id = str(drive.runs("failed")[0]["id"])
    schedule, runner = roots()["schedule"], CliRunner()

    asked = runner.invoke(schedule, ["retry", run_id])
    assert asked.exit_code == 2
    assert "Run 1 run again?  This is not a terminal: add --yes." in asked.stderr
    assert "nothing works" in asked.stdout
    unknown = runner.invoke(schedule, ["retry", "00000000-0000-4000-8000-000000000000", "--dry-run"])
    assert (unknown.exit_code, drive.all("select * from run_request")) == (3, [])
    assert runner.invoke(schedule, ["retry", run_id, "--yes"]).exit_code == 0
    drive.work()
    assert [run["trigger"] for run in drive.runs("failed")] == ["schedule", "retry"]
