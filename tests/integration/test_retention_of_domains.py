"""Tokens, pools and ads are forgotten with what hangs on them, unless somebody points to them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import create_engine

from tasks.upkeep.retention import RetentionOptions
from tasks.upkeep.retention_rules import RULES
from tasks.watches.watch import Slice

pytestmark = pytest.mark.outside(27)


@pytest.fixture
def forget(database: Any) -> Any:
    """``forget("tokens")`` follows the rule to its end; the rows that each transaction deleted."""
    engine = create_engine(database.url.replace("postgresql://", "postgresql+psycopg://", 1))

    def run(rule: str, slice_rows: int = 5) -> list[int]:
        option, delete = RULES[rule]
        before = datetime.now(UTC) - timedelta(days=getattr(RetentionOptions(), option))
        asked = Slice(before, slice_rows)
        slices = []
        while True:
            with engine.begin() as connection:
                slices.append(delete(connection, asked))
            if slices[-1] < slice_rows:
                return slices

    yield run
    engine.dispose()


def token(connection: Any, address: str, *, seen: int, symbol: str | None = None) -> int:
    """A token last named by a feed ``seen`` days ago, with a pool found and a snapshot made then."""
    days = timedelta(days=seen)
    row = connection.execute(
        "insert into token (chain, address_key, address, symbol, last_seen_at)"
        " values ('solana', %s, %s, %s, now() - %s) returning id",
        (address, address, symbol, days),
    ).fetchone()
    key = int(row["id"])
    connection.execute(
        "insert into token_pool (token_id, chain, pool, checked_at) values (%s, 'solana', %s, now() - %s)",
        (key, f"pool-{address}", days),
    )
    connection.execute(
        "insert into token_snapshot (token_id, run_id, taken_at)"
        " select %s, gen_random_uuid(), now() - %s from generate_series(1, 7)",
        (key, days),
    )
    connection.execute(
        "insert into token_sighting (run_id, token_id, is_new, chosen, feeds, passed)"
        " values (gen_random_uuid(), %s, true, true, '{}', true)",
        (key,),
    )
    return key


def match(connection: Any, subject: str, key: int) -> None:
    connection.execute(
        "insert into rule (name, expression) values ('r', 'price > 0') on conflict do nothing"
    )
    connection.execute(
        "insert into match (rule, subject, subject_id, occasion, occasion_key, title, facts)"
        " values ('r', %s, %s, 'new', '', 't', '{}')",
        (subject, str(key)),
    )


def addresses(connection: Any) -> set[str]:
    return {row["address"] for row in connection.execute("select address from token").fetchall()}


def count(connection: Any, table: str) -> int:
    return int(connection.execute(f"select count(*) as n from {table}").fetchone()["n"])


def test_tokens_go_with_what_hangs_on_them_and_those_pointed_to_stay(
    connection: Any, forget: Any
) -> None:
    for number in range(6):
        token(connection, f"Old{number}", seen=200)
    token(connection, "Nameless", seen=91)
    token(connection, "Young", seen=80)
    match(connection, "token", token(connection, "Matched", seen=200))
    # A match of a listing that has the same number is not the token's.
    match(connection, "listing", token(connection, "NotMatched", seen=200))
    token(connection, "Followed", seen=200, symbol="ibm")
    connection.execute("insert into watchlist_item (symbol) values ('IBM')")
    token(connection, "Included", seen=200)
    token(connection, "BySymbol", seen=200, symbol="WiF")
    connection.execute(
        "insert into schedule (name, task, every, options) values"
        " ('mine', 'tasks.discovery.discover', '1 hour', '{\"include\": [\"included\", \"WIF\"]}')"
    )
    found = token(connection, "StillFound", seen=200)
    connection.execute("update token_pool set checked_at = now() where token_id = %s", (found,))

    slices = forget("tokens")

    kept = {"Young", "Matched", "Followed", "Included", "BySymbol", "StillFound"}
    assert addresses(connection) == kept
    assert count(connection, "token_pool") == count(connection, "token_sighting") == len(kept)
    assert count(connection, "token_snapshot") == 7 * len(kept)
    # Eight tokens, each with nine rows and itself, and never more than asked for in a transaction.
    assert sum(slices) == 8 * 10
    assert max(slices) == 5
    assert forget("tokens") == [0]


def test_pools_that_are_found_no_more_go_from_a_token_that_lives(connection: Any, forget: Any) -> None:
    lives, matched = token(connection, "Lives", seen=0), token(connection, "Matched", seen=0)
    match(connection, "token", matched)
    for key in (lives, matched):
        connection.execute(
            "insert into token_pool (token_id, chain, pool, checked_at)"
            " values (%s, 'solana', %s, now() - interval '100 days')",
            (key, f"gone-{key}"),
        )

    assert forget("pools") == [1]
    pools = {row["pool"] for row in connection.execute("select pool from token_pool").fetchall()}
    assert pools == {"pool-Lives", "pool-Matched", f"gone-{matched}"}


def test_ads_go_with_their_history_unless_a_match_is_of_them(connection: Any, forget: Any) -> None:
    keys = []
    for number, days in enumerate((400, 400, 400, 300)):
        row = connection.execute(
            "insert into listing (site, external_id, title, url, last_seen_at)"
            " select name, %s, 't', 'https://example.com', now() - %s from site limit 1 returning id",
            (str(number), timedelta(days=days)),
        ).fetchone()
        keys.append(int(row["id"]))
        connection.execute(
            "insert into listing_price (listing_id, price) select %s, n from generate_series(1, 4) n",
            (row["id"],),
        )
    match(connection, "listing", keys[0])

    slices = forget("listings")

    left = {row["id"] for row in connection.execute("select id from listing").fetchall()}
    assert left == {keys[0], keys[3]}
    assert count(connection, "listing_price") == 8
    assert (sum(slices), max(slices)) == (10, 5)


def test_surveillance_looks_at_tokens_that_live(discovery: Any, connection: Any) -> None:
    token(connection, "Named", seen=20)
    token(connection, "Dead", seen=40)
    match(connection, "token", token(connection, "Matched", seen=40))
    for address, found in (("Traded", 10), ("TradedLongAgo", 40)):
        key = token(connection, address, seen=100)
        connection.execute("update token set volume_h24 = 60000 where id = %s", (key,))
        connection.execute(
            "update token_pool set checked_at = now() - %s where token_id = %s",
            (timedelta(days=found), key),
        )

    discovery.run("tasks.discovery.surveil")

    (asked,) = discovery.server.asked("/tokens/")
    assert set(asked.rpartition("/")[2].split(",")) == {"Named", "Matched", "Traded"}
