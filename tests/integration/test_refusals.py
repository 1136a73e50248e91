"""What the database refuses, in which words: the tables of docs/reference/refusals.md, walked; and what it costs."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import time
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.support import mistakes

ROOT = Path(__file__).parents[2]
STATE = """
select md5(string_agg(t, '' order by t)) as state from (
    select to_jsonb(s)::text from schedule s union all select to_jsonb(q)::text from quota q
    union all select to_jsonb(r)::text from run_request r) x(t)
"""


def generator() -> Any:
    spec = importlib.util.spec_from_file_location("docs_generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_table_of_mistakes_is_what_psycopg_gets(shipped: Any) -> None:
    before = shipped.execute(STATE).fetchone()
    wrong = []
    assert len(mistakes.table()) >= 56
    for statement, answer, hint in mistakes.table():
        with pytest.raises(psycopg.Error) as refused:
            shipped.execute(statement, prepare=True)
        said = refused.value.diag
        if not (
            mistakes.matches(said.message_primary, answer) and mistakes.matches(said.message_hint, hint)
        ):
            wrong.append((statement, said.message_primary, said.message_hint))

    assert wrong == []
    assert shipped.execute(STATE).fetchone() == before


@pytest.mark.parametrize("name", ["sql", "tasks", "refusals"])
def test_the_reference_is_what_the_database_says_or_run_make_docs(name: str, shipped: Any) -> None:
    said = getattr(generator(), name)(shipped)

    assert said == (ROOT / "docs" / "reference" / f"{name}.md").read_text()


def test_psql_gets_the_same_words(shipped: Any, database: Any, postgres_server: Any) -> None:
    before = shipped.execute(STATE).fetchone()
    done = subprocess.run(
        [postgres_server.bin / "psql", "-X", "-q", "-v", "SHOW_CONTEXT=never", database.url],
        input="".join(f"\\echo\n{statement};\n" for statement, _, _ in mistakes.table()),
        capture_output=True,
        text=True,
    )
    said = re.findall(r"ERROR:  (.*)\n(?:LINE.*\n.*\n)?(?:DETAIL:.*\n)?(?:HINT:  (.*)\n)?", done.stderr)

    assert len(said) == len(mistakes.table()), done.stderr
    for (statement, answer, hint), (got, hinted) in zip(mistakes.table(), said, strict=True):
        assert mistakes.matches(got, answer), (statement, got)
        assert mistakes.matches(hinted, hint), (statement, hinted)
    assert shipped.execute(STATE).fetchone() == before


def test_only_what_changed_is_checked_so_that_a_stricter_deploy_refuses_no_pause(shipped: Any) -> None:
    shipped.execute("update schedule set options = '{\"max_tokens\": 50}' where name = 'discovery'")
    shipped.execute(
        """update task_kind set min_every = '1 day', retired_at = now(), queue = 'gone',
           options_schema = '{"properties": {}}' where name = 'tasks.discovery.discover'"""
    )

    shipped.execute("select pause('discovery', '2 a.m.')")
    shipped.execute("update schedule set priority = 9, enabled = false where name = 'discovery'")
    with pytest.raises(psycopg.errors.CheckViolation, match="too often"):
        shipped.execute("update schedule set every = '5 hours' where name = 'discovery'")


def test_a_forgotten_where_is_told_and_can_be_taken_back(shipped: Any) -> None:
    told: list[tuple[str | None, str | None]] = []
    shipped.add_notice_handler(lambda diag: told.append((diag.message_primary, diag.message_hint)))

    shipped.execute("update schedule set note = 'one' where name = 'discovery'")
    assert told == []
    shipped.execute("update schedule set note = 'all of them'")
    assert told[0][0] == "4 of 4 schedules changed."
    assert "ROLLBACK" in str(told[0][1])


def test_a_time_that_has_passed_is_told(shipped: Any) -> None:
    told: list[str | None] = []
    shipped.add_notice_handler(lambda diag: told.append(diag.message_primary))

    shipped.execute("update schedule set every = null, at = '2020-01-01Z' where name = 'discovery'")

    assert told == ['at = 2020-01-01 00:00:00+00 has passed: "discovery" will not run.']


def test_a_time_that_its_calendar_or_its_ends_leave_out_is_told(shipped: Any) -> None:
    told: list[str] = []
    shipped.add_notice_handler(lambda diag: told.append(str(diag.message_primary)))
    shipped.execute(
        "insert into market_session select 'XNYS', day::date, day + interval '14 hours', day + interval '21 hours'"
        " from generate_series('2099-01-01Z'::timestamptz, '2099-01-20Z', '1 day') day"
        " where extract(isodow from day) < 6"
    )

    def told_of(**columns: str) -> list[str]:
        told.clear()
        given = {
            "calendar": None,
            "calendar_hours": "day",
            "starts_at": None,
            "ends_at": None,
            **columns,
        }
        names = ", ".join(f"{name} = %({name})s" for name in given)
        shipped.execute(f"update schedule set every = null, {names} where name = 'discovery'", given)
        return [one.split(" is ", 1)[1] for one in told]

    friday, saturday, night = "2099-01-02 18:00Z", "2099-01-03 18:00Z", "2099-01-02 22:00Z"
    assert told_of(at=friday, calendar="XNYS", calendar_hours="session") == []
    assert told_of(at=saturday) == []
    assert told_of(at=saturday, calendar="XNYS") == [
        'not in a trading day of XNYS: "discovery" will not run.'
    ]
    assert told_of(at=night, calendar="XNYS") == []
    assert told_of(at=night, calendar="XNYS", calendar_hours="session") == [
        'not in a trading session of XNYS: "discovery" will not run.'
    ]
    assert told_of(at=friday, starts_at=saturday) == ['before starts_at: "discovery" will not run.']
    assert told_of(at=saturday, ends_at=friday) == ['not before ends_at: "discovery" will not run.']
    # Sessions of that year are not known yet.
    assert told_of(at="2101-01-01 18:00Z", calendar="XNYS") == []


def test_a_timing_that_no_trading_day_has_is_told(shipped: Any) -> None:
    told: list[str] = []
    shipped.add_notice_handler(lambda diag: told.append(str(diag.message_primary)))
    shipped.execute(
        "insert into market_session select 'XNYS', day::date, day + interval '14 hours', day + interval '21 hours'"
        " from generate_series('2060-01-01Z'::timestamptz, '2060-01-20Z', '1 day') day"
        " where extract(isodow from day) < 6"
    )

    def told_of(**columns: str | bool | None) -> list[str]:
        told.clear()
        names = ", ".join(f"{name} = %({name})s" for name in columns)
        shipped.execute(f"update schedule set {names} where name = 'discovery'", columns)
        return told

    never = 'no due time of "discovery" until 2060-01-20 is in a trading {} of XNYS: it will not run.'
    assert told_of(every=None, cron="0 3 * * 0") == []
    assert told_of(calendar="XNYS") == [never.format("day")]
    assert told_of(note="nothing of its timing") == []
    assert told_of(cron="0 12 * * 1") == []
    assert told_of(calendar_hours="session") == [never.format("session")]
    assert told_of(enabled=False) == []
    assert told_of(enabled=True) == [never.format("session")]
    assert told_of(cron="0 15 * * 1") == []
    assert told_of(cron="@sunset 40.7 -74.0") == []
    assert told_of(cron=None, every="1 day", starts_at="2060-01-02 03:00Z") == [never.format("session")]
    # Sessions of that time are not known yet.
    assert told_of(starts_at="2062-01-01 03:00Z") == []


def spent(connection: Any) -> float:
    """Seconds of a core that the server's process has used: what else runs here does not count."""
    stat = Path(f"/proc/{connection.info.backend_pid}/stat")
    if not stat.exists():
        return time.monotonic()
    fields = stat.read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_ten_thousand_schedules_are_checked_and_inserted_in_ten_seconds(shipped: Any) -> None:
    began = spent(shipped)
    shipped.execute(
        "insert into schedule (name, task, cron, timezone, calendar, jitter, options)"
        " select 'bulk-' || n, 'tasks.discovery.discover', '30 17 * * 1-5', 'America/New_York', 'XNYS', '1 minute',"
        """ '{"max_tokens": 30, "chains": ["solana"], "min_volume_usd": 1000}' from generate_series(1, 10000) n"""
    )

    assert spent(shipped) - began < 10
    assert shipped.execute("select count(*) as n from schedule_change").fetchone()["n"] > 10_000


def test_the_switch_that_pauses_everything_is_in_the_audit(shipped: Any) -> None:
    shipped.execute("select set_config('app.actor', 'ada', false)")
    shipped.execute("select pause_all('maintenance')")
    row = shipped.execute("select * from recent_changes limit 1").fetchone()

    assert (row["schedule"], row["changed_by"]) == ("(all)", "ada")
    assert row["change"] == "note: null -> maintenance, paused: false -> true"
