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
    assert 'error: "A PL" is no symbol' in refused.stderr


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
    assert "the database is out of reach" in away.stderr
