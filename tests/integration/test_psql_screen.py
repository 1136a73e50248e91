"""psql with our psqlrc: the first screen fits 120 columns, a command with -c is answered alone."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
#: Reserved words cannot be written without quotes.
RESERVED = """
select c.table_name || '.' || c.column_name as name from information_schema.columns c
  join information_schema.views v using (table_schema, table_name)
  join pg_get_keywords() k on k.word = c.column_name
 where c.table_schema = 'public' and k.catcode in ('R', 'T')
"""


def psql(server: Any, url: str, *arguments: str, given: str = "") -> str:
    env = {**os.environ, "PSQLRC": str(ROOT / "deploy" / "psqlrc")}
    done = subprocess.run(
        [server.bin / "psql", *arguments, url], env=env, input=given, capture_output=True, text=True
    )
    assert done.stderr == ""
    return done.stdout


def test_the_first_screen_fits_120_columns_whatever_the_rows_say(
    connection: Any, database: Any, postgres_server: Any
) -> None:
    words = "a reason of many words " * 10
    connection.execute(
        "insert into schedule (name, task, cron, timezone, calendar, enabled, note) values"
        " ('prices-of-the-whole-list', 'tasks.prices.refresh', '30 17 * * 1-5', 'America/New_York', 'XNYS', false, %s)",
        (words,),
    )
    connection.execute(
        "insert into schedule (name, task, every) values ('hourly', 'tasks.discovery.discover', '1 hour')"
    )
    connection.execute("select pause('hourly', %s, now() + interval '3 hours')", (words,))

    screen = psql(postgres_server, database.url)

    assert "prices-of-the-whole-list" in screen
    assert max(map(len, screen.splitlines())) <= 120


def test_a_command_is_answered_without_the_first_screen(database: Any, postgres_server: Any) -> None:
    assert psql(postgres_server, database.url, "-Atc", "select 1") == "1\n"


def test_functions_answer_with_a_sentence_that_names_the_run(connection: Any) -> None:
    connection.execute(
        "insert into schedule (name, task, every) values ('hourly', 'tasks.discovery.discover', '1 hour')"
    )
    said = connection.execute("select run_now('hourly') as it").fetchone()["it"]
    asked = connection.execute("select new_run_id from run_request").fetchone()["new_run_id"]

    assert said.startswith(f"Run {str(asked)[:8]} of hourly is requested.")


def test_no_column_of_a_view_is_a_reserved_word(connection: Any) -> None:
    assert connection.execute(RESERVED).fetchall() == []
