"""One audit of every table that people own, and undo."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from workers import roles
from workers.installation.domains import domains

OWNED_BY_PEOPLE = {
    *roles.PEOPLE, *roles.OWNED, *(name for one in domains().values() for name in one.tables),
} - roles._NOT_AUDITED  # fmt: skip


@pytest.fixture
def alice(login: Callable[[str], str]) -> Any:
    with psycopg.connect(login("operator"), autocommit=True, row_factory=dict_row) as connection:
        yield connection


@pytest.fixture
def hourly(connection: Any) -> str:
    connection.execute(
        "insert into schedule (name, task, every) values ('hourly', 'tasks.discovery.discover', '1 hour')"
    )
    connection.execute("truncate change")
    return "hourly"


def changes(connection: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = connection.execute("select * from change order by id").fetchall()
    return found


def test_every_table_that_people_own_is_audited(connection: Any) -> None:
    audited = {
        row["name"]
        for row in connection.execute(
            "select tgrelid::regclass::text as name from pg_trigger where tgname = 'audit_updated'"
        )
    }

    assert {name.strip('"') for name in audited} == OWNED_BY_PEOPLE | {"console.person"}


def test_an_edit_says_who_what_from_what_to_what_and_with_which_program(
    alice: Any, connection: Any, hourly: str
) -> None:
    alice.execute("set application_name = 'psql'")
    alice.execute("set timezone = 'America/New_York'; set intervalstyle = 'iso_8601'")
    alice.execute("update schedule set every = '2 hours', note = 'slower'")

    (one,) = changes(connection)
    assert (one["table_name"], one["key"], one["name"]) == ("schedule", {"name": "hourly"}, "hourly")
    assert (one["old"], one["new"]) == (
        {"every": "01:00:00", "note": None}, {"every": "02:00:00", "note": "slower"},
    )  # fmt: skip
    assert one["changed_by"].startswith("alice_")
    assert one["program"] == "psql"


def test_an_edit_that_changes_nothing_leaves_no_row(alice: Any, connection: Any, hourly: str) -> None:
    alice.execute("update schedule set every = every")

    assert changes(connection) == []


def test_rows_of_other_tables_come_and_go_in_the_audit_too(alice: Any, connection: Any) -> None:
    connection.execute("truncate change")
    alice.execute("insert into quota (upstream, per, calls) values ('stooq', '3 hours', 7)")
    alice.execute("update quota set calls = 8 where upstream = 'stooq' and per = '3 hours'")
    alice.execute("delete from quota where upstream = 'stooq' and per = '3 hours'")

    found = [row for row in changes(connection) if row["table_name"] == "quota"]
    assert [row["action"] for row in found] == ["insert", "update", "delete"]
    assert {row["name"] for row in found} == {"stooq / 03:00:00"}
    assert (found[1]["old"], found[1]["new"]) == ({"calls": 7}, {"calls": 8})


def test_a_password_is_not_in_the_audit(connection: Any) -> None:
    connection.execute(
        "insert into console.person (name, role, password) values ('ada', 'viewer', 'scrypt$…')"
    )
    connection.execute("update console.person set password = 'other', role = 'operator'")

    assert "scrypt" not in str(changes(connection))
    assert "other" not in str(changes(connection))


def test_undo_is_a_new_edit_from_the_old_values(alice: Any, connection: Any, hourly: str) -> None:
    alice.execute("update schedule set every = '2 hours', note = 'slower'")
    alice.execute("update schedule set title = 'Hourly'")
    first = changes(connection)[0]["id"]
    made = alice.execute("select * from undo_change(%s)", (first,)).fetchone()

    row = connection.execute("select every::text, note, title from schedule").fetchone()
    assert row == {"every": "01:00:00", "note": None, "title": "Hourly"}
    assert (made["undo_of"], made["new"]) == (first, {"every": "01:00:00", "note": None})
    alice.execute("select undo_change(%s)", (made["id"],))
    assert connection.execute("select note from schedule").fetchone() == {"note": "slower"}


def test_undo_is_refused_where_its_columns_were_changed_since(
    alice: Any, connection: Any, hourly: str
) -> None:
    alice.execute("update schedule set every = '2 hours'")
    alice.execute("update schedule set every = '3 hours'")
    with pytest.raises(psycopg.Error) as refused:
        alice.execute("select undo_change(%s)", (changes(connection)[0]["id"],))

    assert refused.value.sqlstate == "WK412"
    assert refused.value.diag.message_primary == (
        'schedule "hourly" cannot be undone: changed since: every'
    )
    assert connection.execute("select every::text from schedule").fetchone() == {"every": "03:00:00"}


def test_what_was_made_is_undone_and_what_was_deleted_comes_back(alice: Any, connection: Any) -> None:
    alice.execute(
        "insert into schedule (name, task, every, options)"
        " values ('mine', 'tasks.discovery.discover', '1 hour', '{\"max_tokens\": 7}')"
    )
    alice.execute("update schedule set every = '2 hours' where name = 'mine'")
    alice.execute("delete from schedule where name = 'mine'")
    made, edited, deleted = (row["id"] for row in changes(connection))

    alice.execute("select undo_change(%s)", (deleted,))
    row = connection.execute("select every::text, options from schedule").fetchone()
    assert row == {"every": "02:00:00", "options": {"max_tokens": 7}}
    with pytest.raises(psycopg.Error, match="cannot be undone: it is there again"):
        alice.execute("select undo_change(%s)", (deleted,))
    with pytest.raises(psycopg.Error, match="changed since: every"):
        alice.execute("select undo_change(%s)", (made,))
    alice.execute("select undo_change(%s)", (edited,))
    alice.execute("select undo_change(%s)", (made,))
    assert connection.execute("select from schedule").fetchall() == []


def test_undo_goes_by_what_its_person_may_do(
    login: Callable[[str], str], alice: Any, connection: Any, hourly: str
) -> None:
    alice.execute("update schedule set every = '2 hours'")
    connection.execute("insert into allowed_network values ('10.0.0.0/8', 'ours')")
    number, owners = (row["id"] for row in changes(connection))
    with (
        psycopg.connect(login("viewer")) as viewer,
        pytest.raises(psycopg.Error, match="a viewer cannot"),
    ):
        viewer.execute("select undo_change(%s)", (number,))
    with pytest.raises(psycopg.Error, match="an operator cannot delete from allowed_network"):
        alice.execute("select undo_change(%s)", (owners,))
    with pytest.raises(psycopg.Error, match="no change with id 0"):
        alice.execute("select undo_change(0)")


def test_edits_of_one_action_are_known_as_one(alice: Any, connection: Any, hourly: str) -> None:
    operation = "0b0e7f0e-52a5-4b67-9d2c-0a4f9c1e8d11"
    alice.execute("begin")
    alice.execute("select set_config('app.operation', %s, true)", (operation,))
    alice.execute("update schedule set note = 'many'")
    alice.execute("commit")
    alice.execute("update schedule set note = 'one'")

    assert [str(row["operation"]) for row in changes(connection)] == [operation, "None"]
