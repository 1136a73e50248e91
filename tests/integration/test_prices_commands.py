"""`celery -A workers.app prices …`, as a person or a script types it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tasks.prices.commands import prices as command


def typed(*words: str) -> Result:
    return CliRunner().invoke(command, list(words))


def test_the_watch_list_is_edited_and_listed(prices: Any) -> None:
    added = typed("watchlist", "add", "aapl", "brk.b", "--priority", "50", "--note", "mine")
    assert added.exit_code == 0, added.output
    typed("watchlist", "add", "AAPL", "--priority", "70")
    rows = json.loads(typed("watchlist", "--json").stdout)
    assert [(row["symbol"], row["priority"], row["note"]) for row in rows] == [
        ("AAPL", 50, "mine"),
        ("BRK.B", 50, "mine"),
    ]
    assert typed("watchlist", "remove", "AAPL").exit_code == 0
    assert [row["symbol"] for row in json.loads(typed("watchlist", "--json").stdout)] == ["BRK.B"]
    assert len(json.loads(typed("watchlist", "--all", "--json").stdout)) == 2
    gone = typed("watchlist", "remove", "AAPL")
    assert gone.exit_code == 3
    assert "not on the watch list: AAPL" in gone.stderr


def test_what_is_no_symbol_is_refused_with_a_hint(prices: Any) -> None:
    refused = typed("watchlist", "add", "A PL")
    assert refused.exit_code == 2
    assert 'error: "A PL" is not a symbol' in refused.stderr


def test_quotes_are_rounded_for_people_and_exact_for_programs(prices: Any) -> None:
    prices.sql.execute(
        "insert into quote (symbol, source, price, session_date, previous_close)"
        " values ('AAPL', 'stooq', 152.895, '2026-01-30', 150)"
    )
    lines = typed("quotes").stdout.splitlines()
    assert lines[0].split("\t")[:3] == ["symbol", "price", "change"]
    assert lines[1].split("\t")[:3] == ["AAPL", "152.90", "1.93 %"]
    (row,) = json.loads(typed("quotes", "aapl", "--json").stdout)
    assert row["price"] == "152.895000"
    assert typed("quotes", "MSFT").exit_code == 3
    some = typed("quotes", "aapl", "msft")
    assert (some.exit_code, some.stderr) == (0, "no price is stored for MSFT\n")


def test_what_became_of_a_symbol_without_a_price_is_said(prices: Any) -> None:
    prices.closed_market()
    typed("watchlist", "add", "NOPE")
    assert json.loads(typed("watchlist", "--json").stdout)[0]["outcome"] is None
    prices.alpha_vantage.answer = lambda _: {"Error Message": "Invalid API call."}
    prices.run("tasks.prices.refresh")

    assert json.loads(typed("watchlist", "--json").stdout)[0]["outcome"] == "not_found"
    said = typed("quotes", "NOPE").stderr
    assert "no price is stored for NOPE (not found: it knows no such symbol)" in said


def test_gaps_are_listed(prices: Any) -> None:
    prices.closed_market()
    today = datetime.now(UTC).date()
    prices.sql.execute(
        "insert into price_bar (symbol, source, bar_date, close)"
        " select 'AAPL', 'stooq', current_date - n, 1"
        " from generate_series(0, 10) n where n not in (3, 4)"
    )
    (row,) = json.loads(typed("gaps", "AAPL", "--days", "10", "--json").stdout)
    assert row == {
        "symbol": "AAPL",
        "first": str(today - timedelta(days=4)),
        "last": str(today - timedelta(days=3)),
        "sessions": 2,
    }
    none = typed("gaps", "AAPL", "--days", "2")
    assert "nothing is missing" in none.stderr
    assert typed("gaps", "--from", "2026-02-01", "--to", "2026-01-01").exit_code == 2


def test_health_is_bad_until_each_price_schedule_has_run_in_its_pace(prices: Any) -> None:
    prices.sql.execute(
        "insert into schedule (name, task, cron)"
        " values ('nightly', 'tasks.prices.refresh', '0 0 * * 1-5')"
    )
    assert typed("health").exit_code == 1
    insert = (
        "insert into run (id, schedule, task, trigger, due_at, state, queue, created_at) values"
        " (gen_random_uuid(), 'nightly', 'tasks.prices.refresh', 'manual', now(), 'succeeded',"
        " 'prices', now() - %s::interval)"
    )
    prices.sql.execute(insert, ("7 days",))
    assert typed("health").exit_code == 1
    prices.sql.execute(insert, ("5 days",))
    assert typed("health").exit_code == 0


def test_a_database_out_of_reach_is_said_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    from workers import db
    from workers.settings import settings

    monkeypatch.setenv("WATCHKEEPER_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    db.reset()
    settings.cache_clear()
    try:
        away = typed("quotes")
    finally:
        db.reset()
        settings.cache_clear()
    assert away.exit_code == 5
    assert "the database at 127.0.0.1, port 1 is out of reach: Connection refused" in away.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("watchlist", "add", "AAPL", "--every", "50000"),
        ("watchlist", "add", "AAPL", "--every", "1e18"),
        ("watchlist", "add", "AAPL", "--every", "nan"),
        ("watchlist", "add", "AAPL", "--note", "x" * 501),
        ("gaps", "AAPL", "--from", "0001-01-01"),
        ("gaps", "AAPL", "--to", "0001-01-05"),
        ("gaps", "AAPL", "--from", "2026-01-01", "--to", "9999-12-31"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_a_sentence(prices: Any, words: tuple[str, ...]) -> None:
    refused = typed(*words)
    assert refused.exit_code == 2, refused.output
    assert "error:" in refused.stderr.lower()
    assert "Traceback" not in refused.output


def test_gaps_of_a_symbol_reach_no_further_back_than_its_calendar(prices: Any) -> None:
    found = typed("gaps", "INFY.BSE", "--from", "1985-01-01", "--to", "1997-02-28", "--json")
    assert found.exit_code == 0, found.output
    (gap,) = json.loads(found.stdout)
    assert gap["first"] == "1997-01-01"


def ran(prices: Any, schedule: str, ago: str) -> None:
    prices.sql.execute("delete from run")
    prices.sql.execute(
        "insert into run (id, schedule, task, trigger, due_at, state, queue, created_at) values"
        " (gen_random_uuid(), %s, 'tasks.prices.refresh', 'schedule', now(), 'succeeded',"
        " 'prices', now() - %s::interval)",
        (schedule, ago),
    )


@pytest.mark.parametrize(
    ("timing", "healthy", "stale"),
    [
        ({"cron": "@hourly"}, "119 minutes", "121 minutes"),
        ({"cron": "0 6 * * *; 0 18 * * *"}, "23 hours", "25 hours"),
        ({"every": "6 hours"}, "11 hours", "13 hours"),
        (
            {"every": "15 minutes", "calendar": "XNYS", "calendar_hours": "session"},
            "40 hours",
            "51 hours",
        ),
    ],
)
def test_the_pace_of_a_schedule_is_that_of_its_due_times(
    prices: Any, timing: dict[str, str], healthy: str, stale: str
) -> None:
    prices.sql.execute("delete from schedule")
    prices.sql.execute(
        "insert into market_session select 'XNYS', current_date + n, date_trunc('day', now(), 'UTC')"
        " + n * interval '1 day', date_trunc('day', now(), 'UTC') + n * interval '1 day'"
        " + interval '1 hour' from generate_series(-9, 40) n"
    )
    columns = ", ".join(timing)
    prices.sql.execute(
        f"insert into schedule (name, task, {columns}) values ('mine', 'tasks.prices.refresh',"
        f" {', '.join(['%s'] * len(timing))})",
        tuple(timing.values()),
    )
    ran(prices, "mine", healthy)
    assert typed("health").exit_code == 0
    ran(prices, "mine", stale)
    assert typed("health").exit_code == 1
    prices.sql.execute("select pause('mine', 'on holiday', now() + interval '1 day')")
    assert typed("health").exit_code == 0
    assert "paused" in typed("health").stdout


def test_what_follows_another_has_its_pace_and_what_runs_once_is_late_after_its_time(
    prices: Any,
) -> None:
    prices.sql.execute("delete from schedule")
    prices.sql.execute(
        "insert into schedule (name, task, every) values ('first', 'tasks.upkeep.sessions', '2 days')"
    )
    prices.sql.execute(
        "insert into schedule (name, task, after) values ('then', 'tasks.prices.refresh', 'first')"
    )
    ran(prices, "then", "3 days")
    assert typed("health").exit_code == 0
    ran(prices, "then", "5 days")
    assert typed("health").exit_code == 1
    prices.sql.execute("delete from schedule where name = 'then'")
    prices.sql.execute(
        "insert into schedule (name, task, at)"
        " values ('once', 'tasks.prices.refresh', now() + interval '1 hour')"
    )
    assert typed("health").exit_code == 0
