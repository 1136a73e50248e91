"""A pause keeps its reason apart from the row's note; what is disabled stays so and says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner, Result

from beat.cli.commands import schedule

pytestmark = pytest.mark.outside(11)


@pytest.fixture
def cli(database: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.setenv("WATCHKEEPER_ACTOR", "ada")
    return lambda *arguments: CliRunner().invoke(schedule, arguments)


@pytest.fixture
def sql(connection: Any) -> Any:
    connection.execute(
        "insert into schedule (name, task, every, note) values ('one', 'tasks.discovery.discover', '6 hours', 'as asked')"
    )
    return connection


def row(sql: Any) -> tuple[Any, ...]:
    found = sql.execute("select enabled, note, pause_reason from schedule").fetchone()
    return tuple(found.values())


def status(sql: Any, *columns: str) -> list[Any]:
    found = sql.execute(f"select {', '.join(columns)} from schedule_detail").fetchone()
    return list(found.values())


def test_the_reason_goes_with_the_pause_and_the_note_stays(cli: Any, sql: Any) -> None:
    assert (
        cli("pause", "one", "--note", "upstream is down").stderr == "one is paused: upstream is down.\n"
    )
    assert row(sql) == (True, "as asked", "upstream is down")
    assert status(sql, "state", "note", "pause_reason", "paused_by") == [
        "paused", "as asked", "upstream is down", "ada",
    ]  # fmt: skip
    assert "upstream is down" in cli("list").stdout

    assert cli("resume", "one").stderr == "one is resumed.\n"

    assert row(sql) == (True, "as asked", None)
    assert status(sql, "note", "pause_reason", "paused_by") == ["as asked", None, None]


@pytest.mark.parametrize(
    "how",
    [
        "update schedule set paused_until = null",
        "select resume('one')",
        "update schedule set paused_until = null, enabled = false",
    ],
)
def test_the_reason_goes_however_the_pause_ends(sql: Any, how: str) -> None:
    sql.execute("select pause('one', 'why')")
    sql.execute(how)

    assert row(sql)[1:] == ("as asked", None)


def test_a_pause_whose_time_is_over_shows_no_reason(sql: Any) -> None:
    sql.execute(
        "update schedule set paused_until = clock_timestamp() - interval '1 s', pause_reason = 'why'"
    )

    assert status(sql, "pause_reason", "paused_by") == [None, None]
    sql.execute("select pause('one')")
    assert row(sql)[2] is None, "the next pause has a reason of its own"


def test_an_empty_reason_is_none(sql: Any) -> None:
    said = sql.execute("select pause('one', ' ') as it, pause_all('') as all").fetchone()

    assert said["it"] == "one is paused."
    assert row(sql)[2] is None
    title = sql.execute("select text from trouble where kind = 'paused'").fetchone()
    assert "no reason given" in title["text"]


def test_a_longer_pause_keeps_its_reason(sql: Any) -> None:
    sql.execute("select pause('one', 'why', now() + interval '1 hour')")
    sql.execute("select pause('one', until => now() + interval '2 hours')")

    assert row(sql)[2] == "why"


def test_a_disabled_schedule_says_that_it_stays_disabled_and_keeps_its_note(cli: Any, sql: Any) -> None:
    sql.execute("update schedule set enabled = false, note = 'no key yet'")

    paused = cli("pause", "one", "--note", "upstream is down")
    assert row(sql) == (False, "no key yet", "upstream is down")
    resumed = cli("resume", "one")

    assert row(sql) == (False, "no key yet", None)
    for done, said in ((paused, " and is paused: upstream is down"), (resumed, "")):
        assert done.stderr.splitlines() == [
            'notice: "one" is disabled and does not run: no key yet',
            "hint:   To enable it: celery -A workers.app schedule set one --enabled",
            f"one stays disabled{said}.",
        ]
    assert status(sql, "state") == ["disabled"]


def test_a_schedule_resumed_while_everything_is_paused_says_so(cli: Any, sql: Any) -> None:
    cli("pause", "--all", "--note", "maintenance")
    assert status(sql, "state", "pause_reason", "paused_by") == ["paused (all)", "maintenance", "ada"]

    assert 'notice: everything is paused, and "one" with it' in cli("resume", "one").stderr


def test_a_reason_without_a_pause_and_a_pause_into_the_past_are_refused(sql: Any) -> None:
    with pytest.raises(
        psycopg.errors.CheckViolation, match='pause_reason is set, but "one" is not paused'
    ) as error:
        sql.execute("update schedule set pause_reason = 'x'")
    assert error.value.diag.message_hint == (
        "To pause it: SELECT pause('one', 'x'); other remarks belong in note."
    )
    with pytest.raises(psycopg.errors.CheckViolation, match="a pause must end in the future"):
        sql.execute("select pause('one', 'x', now() - interval '1 hour')")
    assert row(sql) == (True, "as asked", None)


def test_resume_of_what_is_not_paused_changes_nothing_and_says_so(cli: Any, sql: Any) -> None:
    before = sql.execute("select * from schedule").fetchone()
    assert cli("resume", "one").stderr == "one was not paused.\n"
    assert sql.execute("select * from schedule").fetchone() == before
