"""Recipes of README and docs/, run: each SQL statement and each command of their tables."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
#: Pages with tables of recipes; each is run on a database of its own.
TABLES = ("README.md", "docs/operating.md")
TABLE = re.compile(r"\| how do I … \|.*?\n(?=\n|\Z)", re.DOTALL)


def recipes(page: str) -> list[tuple[str, str | None, str | None]]:
    found = []
    for table in TABLE.findall((ROOT / page).read_text()):
        for line in table.strip().splitlines()[2:]:
            title, sql, command = (cell.strip() for cell in line.strip()[1:-1].split("|"))
            found.append(
                (title, sql.strip("`") or None, command.partition("` (")[0].strip("`") or None)
            )
    return found


#: Schedules of a new installation that the pages name.
SCHEDULES = """
insert into schedule (name, task, every) values ('discovery', 'tasks.discovery.discover', '6 hours'),
       ('listings-demo', 'tasks.listings.scrape', '20 minutes'), ('send-notices', 'tasks.watches.send', '1 hour');
"""

#: Commands that ask running workers or servers of others, look until Ctrl-C, or name a row that is not here;
#: their tests start what they need.
ELSEWHERE = (
    " inspect ",
    " control ",
    "schedule watch",
    " notify test",
    "schedule undo",
    "schedule retry",
)


@pytest.mark.parametrize("page", TABLES)
def test_every_recipe_works_as_written(
    page: str, connection: Any, broker_url: str, tmp_path: Path, monkeypatch: Any
) -> None:
    from celery.bin.celery import celery

    from workers.cli.main import watchkeeper

    connection.execute(
        "insert into schedule (name, task, every) values ('discovery', 'tasks.discovery.discover', '6 hours')"
    )
    monkeypatch.chdir(tmp_path)
    connection.execute(
        "insert into schedule (name, task, every) values ('send-notices', 'tasks.watches.send', '1 hour')"
    )
    assert len(recipes(page)) >= 10
    for title, sql, command in recipes(page):
        if sql:
            connection.execute(sql)
        if command and not any(word in command for word in ELSEWHERE):
            program, *words = shlex.split(command)
            done = CliRunner().invoke(watchkeeper if program == "watchkeeper" else celery, words)
            # No beat runs here, and the doctor says so.
            wanted = 1 if command.endswith(("doctor", "schedule status")) else 0
            assert done.exit_code == wanted, (title, done.output, done.exception)


def test_every_command_of_the_recipes_is_known() -> None:
    from beat.cli.commands import schedule

    assert len(recipes("docs/operating.md")) >= 41
    for _, _, command in [recipe for page in TABLES for recipe in recipes(page)]:
        if command and " schedule " in command:
            words = shlex.split(command.split(" schedule ", 1)[1])
            assert words[0] in schedule.commands, command
            shown = CliRunner().invoke(schedule, [words[0], "--help"])
            for option in (word for word in words if word.startswith("--")):
                assert option in shown.output, command


def statements(page: Path) -> list[str]:
    """Blocks of SQL on a page, and statements in its sentences, in their order."""
    shown = re.findall(
        r"```sql\n(.*?)```|(?<!\| )`((?:SELECT|INSERT|UPDATE|DELETE) [^`…]+;)`",
        page.read_text(),
        re.DOTALL,
    )
    return [block or sentence for block, sentence in shown]


#: Shown because the database refuses it, or with a name that is the reader's.
REFUSED = ("every = '15 days', cron", "make_login", "limit_login", "resume('name')")


def test_every_statement_on_the_pages_is_taken_by_the_database(connection: Any) -> None:
    # The page of a new watch has a test of its own, with the watch.
    pages = [
        page for page in PAGES if page.parent.name != "reference" and page.name != "adding-a-watch.md"
    ]
    assert sum(len(statements(page)) for page in pages) >= 15
    wrong = []
    for page in pages:
        with connection.transaction(force_rollback=True):
            connection.execute(SCHEDULES)
            for statement in statements(page):
                try:
                    with connection.transaction():
                        connection.execute(statement)
                except psycopg.Error as error:
                    if not any(word in statement for word in REFUSED):
                        wrong.append((page.name, statement, str(error)))

    assert wrong == []
