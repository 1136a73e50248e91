"""What grows is kept for a while: old rows go, young ones, open ones and locked ones stay."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from sqlalchemy import create_engine, text

from tasks.upkeep.retention_rules import RULES
from tasks.watches.watch import Slice
from workers.db import transaction

TOKEN = "with t as (insert into token (chain, address_key, address) values ('solana', 'x', 'x') returning id)"

#: Rule → what makes 20 rows, the n-th n days old, and how many are left after ten days.
ROWS: dict[str, tuple[str, str, int]] = {
    "requests": (
        "run_request",
        (
            "insert into schedule (name, task, every) values ('s', 'tasks.watches.check', '1 day');"
            " insert into run_request (action, schedule, requested_at, answered_at)"
            " select 'run', 's', now() - n * interval '1 day', case when n < 15 then now() - n * interval '1 day' end"
            " from generate_series(0, 19) n"
        ),
        15,
    ),
    "permits": (
        "permit",
        (
            "insert into permit (upstream, granted_at, stamp)"
            " select 'head_fi', now() - n * interval '1 day', now() - n * interval '1 day'"
            " from generate_series(0, 19) n"
        ),
        10,
    ),
    "changes": (
        "change",
        (
            "insert into change (table_name, key, name, action, changed_at, changed_by)"
            " select 'schedule', '{}', 's', 'update', now() - n * interval '1 day', 'me'"
            " from generate_series(0, 19) n"
        ),
        10,
    ),
    "run counts": (
        "run_count",
        (
            "insert into run_count (day, task, state, number)"
            " select current_date - n, 'x', 'succeeded', 1 from generate_series(0, 19) n"
        ),
        10,
    ),
    "heartbeats": (
        "heartbeat",
        (
            "insert into heartbeat (name, role, seen_at)"
            " select 'w@' || n, 'worker', now() - n * interval '1 day' from generate_series(0, 19) n"
        ),
        10,
    ),
    "notices": (
        "notice",
        (
            "with c as (insert into channel (name, kind, target, upstream)"
            " values ('c', 'discord', 'env:WATCHKEEPER_CHANNEL_X', 'head_fi') returning name)"
            " insert into notice (channel, key, content, state, created_at)"
            " select name, n::text, '{}', case when n < 15 then 'sent' else 'waiting' end,"
            " now() - n * interval '1 day' from c, generate_series(0, 19) n"
        ),
        15,
    ),
    "matches": (
        "match",
        (
            "with r as (insert into rule (name, expression) values ('r', 'price > 0') returning name)"
            " insert into match (rule, subject, subject_id, occasion, occasion_key, title, facts, matched_at)"
            " select name, 'listing', n::text, 'new', '', 't', '{}', now() - n * interval '1 day'"
            " from r, generate_series(0, 19) n"
        ),
        10,
    ),
    "profiles": (
        "token_profile",
        (
            "insert into token (chain, address_key, address) select 'solana', n::text, n::text"
            " from generate_series(0, 19) n; insert into run (id, task, trigger, due_at, state, queue)"
            " values ('00000000-0000-0000-0000-000000000001', 'tasks.discovery.discover', 'manual', now(), 'due', 'q');"
            " insert into token_profile (run_id, token_id, early_window_minutes, min_profit_pct, asked_at)"
            " select case when address::int < 15 then gen_random_uuid() else '00000000-0000-0000-0000-000000000001' end,"
            " id, 30, 50, now() - address::int * interval '1 day' from token"
        ),
        15,
    ),
    "wallets": (
        "wallet",
        (
            "insert into wallet (chain, address, last_seen_at)"
            " select 'solana', n::text, now() - n * interval '1 day' from generate_series(0, 19) n"
        ),
        10,
    ),
    "incidents": (
        "incident",
        (
            "insert into incident (kind, subject, title, text, closed_at)"
            " select 'late', n::text, 't', 't', case when n < 15 then now() - n * interval '1 day' end"
            " from generate_series(0, 19) n"
        ),
        15,
    ),
    "scrapes": (
        "scrape",
        (
            "insert into scrape (run_id, category_id, thorough, started_at)"
            " select gen_random_uuid(), (select min(id) from category), false,"
            " now() - n * interval '1 day' from generate_series(0, 19) n"
        ),
        10,
    ),
    "sightings": (
        "token_sighting",
        (
            f"{TOKEN} insert into token_sighting (run_id, token_id, is_new, chosen, feeds, passed, due_at)"
            " select gen_random_uuid(), id, true, true, '{}', true, now() - n * interval '1 day'"
            " from t, generate_series(0, 19) n"
        ),
        10,
    ),
    "old snapshots": (
        "token_snapshot",
        (
            f"{TOKEN} insert into token_snapshot (token_id, run_id, taken_at)"
            " select id, gen_random_uuid(), now() - n * interval '1 day' from t, generate_series(0, 19) n"
        ),
        10,
    ),
    "outcomes": (
        "price_outcome",
        (
            "insert into price_outcome (run_id, symbol, outcome, at)"
            " select gen_random_uuid(), 'AAPL', 'ok', now() - n * interval '1 day'"
            " from generate_series(0, 19) n"
        ),
        10,
    ),
    "quotes": (
        "quote",
        (
            "insert into quote (symbol, source, price, session_date, fetched_at)"
            " select 'S' || n, 'stooq', 1, '2026-01-30', now() - n * interval '1 day'"
            " from generate_series(0, 19) n"
        ),
        10,
    ),
    "old bars": (
        "price_bar",
        (
            "insert into price_bar (symbol, source, bar_date, close)"
            " select 'AAPL', 'stooq', (now() at time zone 'UTC')::date - n, 1 from generate_series(0, 19) n"
        ),
        11,
    ),
}


@pytest.fixture
def clear(database: Any) -> Any:
    """Follow one rule to its end, three rows a time; returns how many rows went."""
    engine = create_engine(database.url.replace("postgresql://", "postgresql+psycopg://", 1))

    def run(rule: str, days: int) -> int:
        _, delete = RULES[rule]
        before, gone = datetime.now(UTC) + timedelta(minutes=1) - timedelta(days=days), 0
        asked = Slice(before, 3)
        while True:
            with engine.begin() as connection:
                number = delete(connection, asked)
            gone += number
            if number < 3:
                return gone

    yield run
    engine.dispose()


#: Table → what makes 3,000 old rows.
OLD = {
    "run": (
        "insert into run (id, task, trigger, due_at, state, queue, created_at, finished_at)"
        " select gen_random_uuid(), 'tasks.prices.refresh', 'manual', now(), 'succeeded', 'prices', at, at from old"
    ),
    "listing": (
        "insert into listing (site, external_id, title, url, last_seen_at)"
        " select 'head_fi', at::text, 't', 'https://example.com', at from old"
    ),
}


@pytest.mark.parametrize("table", OLD)
def test_a_slice_does_not_read_what_those_before_it_deleted(
    connection: Any, database: Any, table: str
) -> None:
    connection.execute(f"truncate {table} cascade")
    connection.execute(
        "with old as (select now() - interval '2 years' + n * interval '1 second' as at"
        f" from generate_series(1, 3000) n) {OLD[table]}"
    )
    _, delete = RULES[f"{table}s"]
    asked, pages = Slice(datetime.now(UTC) - timedelta(days=30), 100), []
    # While somebody holds an old snapshot, no entry of an index can be removed.
    with psycopg.connect(database.admin_url) as old:
        old.execute("set transaction isolation level repeatable read")
        old.execute(f"select count(*) from {table}")
        for _ in range(30):
            with transaction() as slice_:
                # As is planned for a large table.
                for plan in ("seqscan", "bitmapscan", "sort"):
                    slice_.execute(text(f"set local enable_{plan} = off"))
                read = text(f"select pg_stat_get_xact_blocks_fetched('{table}'::regclass)")
                before = slice_.execute(read).scalar_one()
                assert delete(slice_, asked) == 100
                pages.append(slice_.execute(read).scalar_one() - before)
    assert max(pages) < pages[0] + 20, pages


def count(connection: Any, table: str) -> int:
    return int(connection.execute(f"select count(*) as n from {table}").fetchone()["n"])


@pytest.mark.parametrize("rule", ROWS)
def test_old_rows_go_and_open_or_young_ones_stay(
    connection: Any, clear: Callable[[str, int], int], rule: str
) -> None:
    table, fill, left = ROWS[rule]
    connection.execute(f"truncate {table} cascade")
    connection.execute(fill)

    assert clear(rule, 10) == 20 - left
    assert count(connection, table) == left
    assert clear(rule, 10) == 0


def test_a_row_that_somebody_holds_is_passed_over(
    connection: Any, database: Any, clear: Callable[[str, int], int]
) -> None:
    connection.execute(ROWS["heartbeats"][1])
    with database.connect() as other, other.transaction():
        other.execute("select from heartbeat where name = 'w@19' for update")
        assert clear("heartbeats", 10) == 9
    assert clear("heartbeats", 10) == 1
