"""Reads and writes that pages and API share, on a real database as an operator."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import Connection, text

from console import bulk, sql, writes
from console.access import Database, act_as
from console.queries import lists, schedules
from console.queries.schedules import SORTS, Filter
from console.refusals import Refused, attempt
from console.rows import Rows


@pytest.fixture
def ada(database: Any, postgres_server: Any) -> Iterator[Connection]:
    """A transaction of an operator."""
    made = Database(postgres_server.login("console", database.name))
    with made.transaction() as connection:
        act_as(connection, "operator", "ada", "console")
        yield connection
    made.close()


def hourly(ada: Connection, name: str, **columns: Any) -> Any:
    return writes.create_schedule(
        ada, {"name": name, "task": "tasks.discovery.discover", "every": "1 hour", **columns}
    )


def test_every_order_reads_every_schedule_once_page_by_page(ada: Connection, connection: Any) -> None:
    wanted = {f"s-{number:02}" for number in range(30)}
    for name in wanted:
        connection.execute(
            "insert into schedule (name, task, every) values (%s, 'tasks.discovery.discover', '1 hour')",
            (name,),
        )
    connection.execute(
        "insert into schedule_state (schedule, next_run_at, last_run_at, last_state, success_share,"
        " median_duration, consecutive_failures)"
        " select name, case when n % 3 > 0 then now() + n % 4 * interval '1 hour' end,"
        " case when n % 5 > 0 then now() - n % 7 * interval '1 hour' end,"
        " case when n % 4 > 0 then 'succeeded' end, case when n % 6 > 0 then 0.5 end,"
        " case when n % 6 > 0 then n % 2 * interval '1 minute' end, case when n % 10 = 0 then 1 else 0 end"
        " from (select name, substr(name, 3)::int as n from schedule) x"
    )
    connection.execute("delete from schedule_edit")
    for sort in SORTS:
        found: list[str] = []
        asked = Filter(sort=sort, limit=7)
        while True:
            page = schedules.page(ada, asked)
            found += [row["name"] for row in page.rows]
            if page.next is None:
                break
            asked = Filter(sort=sort, limit=7, cursor=page.next)
        assert sorted(found) == sorted(wanted), sort
    first = schedules.page(ada, Filter(limit=3))
    assert [row["name"] for row in first.rows] == ["s-00", "s-10", "s-20"]


def test_a_search_finds_any_part_of_name_title_and_note(ada: Connection) -> None:
    hourly(ada, "alpha-one", note="100 % of it_all")
    hourly(ada, "beta", title="Second Alpha")
    hourly(ada, "gamma")

    def found(q: str) -> list[str]:
        return [row["name"] for row in schedules.page(ada, Filter(q=q, sort="name")).rows]

    assert found("ALPHA") == ["alpha-one", "beta"]
    assert found("0 % of it_") == ["alpha-one"]
    assert found("%") == ["alpha-one"]
    assert found("m") == ["gamma"]
    assert schedules.choose(ada, Filter(q="a")).count == 3
    hourly(ada, "delta", title="Zone 5%")
    assert found("ZO") == found("5%") == ["delta"]
    assert found("%5") == found("qx") == found("q") == found("no such") == []
    assert schedules.page(ada, Filter(q="qx")).after is None
    hourly(ada, "epsilon", note="Börse 東京")
    assert found("ör") == found("京") == found("e 東") == ["epsilon"]


@pytest.mark.parametrize("q", ["qx", "7"])
def test_one_or_two_letters_that_few_schedules_have_are_found_without_reading_all(
    ada: Connection, connection: Any, monkeypatch: pytest.MonkeyPatch, q: str
) -> None:
    connection.execute(
        "insert into schedule (name, task, every, note) select 's-' || n, 'tasks.discovery.discover', '1 hour',"
        " case n when 300 then 'seven: 7' else 'one of many' end from generate_series(300, 555) n"
        " where n::text !~ '7'"
    )
    connection.execute("analyze schedule")
    plans: list[str] = []

    def explained(reading: Connection, asked: Any, **given: Any) -> Any:
        plans.append("\n".join(reading.execute(text(f"explain {asked}"), given).scalars()))
        return sql.scalar(reading, asked, **given)

    monkeypatch.setattr(schedules, "sql", SimpleNamespace(**{**vars(sql), "scalar": explained}))
    schedules.choose(ada, Filter(q=q))

    assert "Seq Scan on schedule s" not in plans[0], plans
    assert "schedule_by_short_term" in plans[0]


def test_a_stale_edit_is_refused(ada: Connection) -> None:
    made = hourly(ada, "mine")
    writes.update_schedule(ada, "mine", {"note": "first"}, made["revision"])
    with pytest.raises(Refused) as refused:
        writes.update_schedule(ada, "mine", {"note": "second"}, made["revision"])

    assert refused.value.refusal.status == 412
    row = schedules.one(ada, "mine")
    assert row is not None
    assert (row["note"], row["updated_by"]) == ("first", "ada")


def test_a_refusal_is_the_databases_with_its_hint_at_its_column(ada: Connection) -> None:
    hourly(ada, "mine")
    with pytest.raises(Refused) as refused, attempt(ada):
        writes.update_schedule(ada, "mine", {"every": None, "cron": "17:00"})
    told = refused.value.refusal
    assert (told.status, told.column, told.sqlstate) == (422, "cron", "23514")
    assert told.message == 'cron "17:00" has 1 field, needs 5'
    assert "minute hour day month weekday" in (told.hint or "")
    with pytest.raises(Refused) as refused, attempt(ada):
        Rows(ada, "rule").insert({"name": "x", "expression": "price < 1", "grammar": "3"})
    assert (refused.value.refusal.column, refused.value.refusal.message) == (
        "grammar", "grammar must be 1 (original) or 2 (extended)",
    )  # fmt: skip
    with pytest.raises(Refused) as refused, attempt(ada):
        writes.do(ada, "pause", name="mnie", why="why", until=None)
    assert (refused.value.refusal.status, "mine" in (refused.value.refusal.hint or "")) == (404, True)


def test_a_copy_is_disabled_and_a_timing_replaces_the_earlier(ada: Connection) -> None:
    hourly(ada, "mine", note="as it is", options={"max_tokens": 7}, jitter="00:00:30")
    copy = writes.copy_schedule(ada, "mine", "mine-too")
    edited = writes.update_schedule(ada, "mine-too", {"cron": "0 5 * * *"})

    assert (copy["enabled"], copy["options"], str(copy["jitter"])) == (
        False, {"max_tokens": 7}, "0:00:30",
    )  # fmt: skip
    assert (edited["every"], edited["cron"]) == (None, "0 5 * * *")


def test_a_bulk_pause_is_resumed_exactly(ada: Connection) -> None:
    for number in range(5):
        hourly(ada, f"many-{number}")
    writes.do(ada, "pause", name="many-0", why="before", until=None)
    chosen = ["many-1", "many-2", "many-3"]
    assert bulk.preview(ada, chosen, "pause")["changed"] == 3
    operation, number = bulk.apply(ada, chosen, "pause", {"why": "a move", "until": "2099-01-01"}, 3)
    assert number == 3
    writes.do(ada, "pause", name="many-2", why="stays", until=None)
    resumed = bulk.resume_operation(ada, operation)

    assert resumed[1] == 2
    paused = schedules.names(ada, Filter(state="paused"))
    assert paused == ["many-0", "many-2"]
    assert len(lists.Changes(operation=operation).read(ada).rows) == 3


def test_a_bulk_action_on_a_filter_that_grew_is_refused(ada: Connection) -> None:
    hourly(ada, "many-1")
    with pytest.raises(Refused) as refused:
        bulk.apply(ada, Filter(q="many"), "disable", {}, 0)
    assert refused.value.refusal.status == 412
    assert bulk.apply(ada, Filter(q="many"), "disable", {}, 1)[1] == 1
    assert bulk.preview(ada, Filter(q="many"), "disable")["changed"] == 0
    assert bulk.apply(ada, Filter(q="many"), "set", {"column": "priority", "value": 8})[1] == 1


def test_rows_of_any_table_that_people_own_are_made_edited_and_deleted(ada: Connection) -> None:
    made = Rows(ada, "rule").insert(
        {"name": "cheap", "expression": "price < 100", "occasions": ["new"], "channels": None},
    )
    assert made["occasions"] == ["new"]
    edited = Rows(ada, "rule").update(
        {"name": "cheap"}, {"expression": "price < 90"}, str(made["etag"])
    )
    assert edited["expression"] == "price < 90"
    quota = Rows(ada, "quota").insert({"upstream": "stooq", "per": "3 hours", "calls": 5})
    Rows(ada, "quota").update({"upstream": "stooq", "per": "3 hours"}, {"calls": "6"}, quota["etag"])
    with pytest.raises(Refused) as refused:
        Rows(ada, "quota").update(
            {"upstream": "stooq", "per": "3 hours"}, {"calls": "7"}, quota["etag"]
        )
    assert refused.value.refusal.status == 412
    Rows(ada, "quota").delete({"upstream": "stooq", "per": "03:00:00"})
    for table, key in (
        ("run", {"id": "x"}),
        ("pg_class", {"oid": "1"}),
        ("console.person", {"name": "x"}),
    ):
        with pytest.raises(Refused):
            Rows(ada, table).update(key, {})
    with pytest.raises(Refused, match="has no column"):
        Rows(ada, "rule").update({"name": "cheap"}, {'note" = null; --': "x"})
