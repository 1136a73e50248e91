"""The README's recipes, run: each SQL statement and each command of the table "Operating"."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

from click.testing import CliRunner

ROOT = Path(__file__).parents[2]
TABLE = re.search(r"\| to … \|.*?\n\n", (ROOT / "README.md").read_text(), re.DOTALL)


def recipes() -> list[tuple[str, str | None, str | None]]:
    assert TABLE is not None
    found = []
    for line in TABLE.group(0).strip().splitlines()[2:]:
        title, sql, command = (cell.strip() for cell in line.strip()[1:-1].split("|"))
        found.append((title, sql.strip("`") or None, command.strip("`").strip() or None))
    return found


#: Commands that ask running workers or servers of others, or look until Ctrl-C; their tests start what they need.
ELSEWHERE = (" inspect ", " control ", "schedule watch", " notify test")


def test_every_recipe_works_as_written(
    connection: Any, broker_url: str, tmp_path: Path, monkeypatch: Any
) -> None:
    from celery.bin.celery import celery

    connection.execute(
        "insert into schedule (name, task, every) values ('discovery', 'tasks.discovery.discover', '6 hours')"
    )
    monkeypatch.chdir(tmp_path)
    connection.execute(
        "insert into schedule (name, task, every) values ('send-notices', 'tasks.watches.send', '1 hour')"
    )
    assert len(recipes()) >= 20
    for title, sql, command in recipes():
        if sql:
            connection.execute(sql)
        if command and not any(word in command for word in ELSEWHERE):
            done = CliRunner().invoke(celery, shlex.split(command)[1:])
            # No beat runs here, and the doctor says so.
            wanted = 1 if command.endswith(("doctor", "schedule status")) else 0
            assert done.exit_code == wanted, (title, done.output, done.exception)


def test_every_command_of_the_recipes_is_known() -> None:
    from beat.cli.commands import schedule

    for _, _, command in recipes():
        if command and " schedule " in command:
            words = shlex.split(command.split(" schedule ", 1)[1])
            assert words[0] in schedule.commands, command
            shown = CliRunner().invoke(schedule, [words[0], "--help"])
            for option in (word for word in words if word.startswith("--")):
                assert option in shown.output, command


def test_every_block_of_sql_is_taken_by_the_database(connection: Any) -> None:
    blocks = re.findall(r"```sql\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    assert len(blocks) >= 2
    for block in blocks:
        connection.execute(block)
