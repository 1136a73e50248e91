"""Tokens: what discovery finds, as rules, notices, retention and the sandbox know it."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any

from tasks.discovery.pages import PAGES
from tasks.watches import registry
from tasks.watches.deletes import points_to, rows, rows_with_children, whole_partitions
from tasks.watches.watch import (
    NUMBER,
    Days,
    Delete,
    Field,
    Imitation,
    Seed,
    Slice,
    Watch,
    drop_fields,
    price_drop,
)

if TYPE_CHECKING:
    from sqlalchemy import Connection

#: A token tried on a rule that has no reference price yet: its drop counts from its highest price.
_ROWS = """
select t.*, clock_timestamp() as now,
       coalesce((select r.reference_price from token_rule r where r.rule = :rule and r.token_id = t.id),
                (select max(s.price_usd) from token_snapshot s
                  where s.token_id = t.id and (cast(:span as interval) is null
                        or s.taken_at > clock_timestamp() - cast(:span as interval)))) as old_price
  from token t
 where (cast(:span as interval) is null or t.last_seen_at > clock_timestamp() - cast(:span as interval))
   and (cast(:key as text) is null or t.id = cast(:key as bigint))
 order by t.id desc
"""


def fields_of(row: Any, now: datetime, old_price: Decimal | None) -> dict[str, Any]:
    """Fields of a token's row; the drop is counted from ``old_price``."""
    age = None if row.pool_created_at is None else now - row.pool_created_at
    return {
        "symbol": row.symbol,
        "name": row.name,
        "chain": row.chain,
        "price": row.price_usd,
        "market_cap": row.market_cap,
        "volume": row.volume_h24,
        "liquidity": row.liquidity_usd,
        "price_change": row.price_change_h24,
        "age_hours": None if age is None else age.total_seconds() / 3600,
        "boost_amount": row.boost_amount,
        "boost_total": row.boost_total,
        **price_drop(old_price, row.price_usd),
    }


def title_of(row: Any) -> str:
    return str(row.symbol or row.name or f"{row.chain}:{row.address}")


_ASKED_BY_A_RUN_GONE = """asked_at < :before
    and not exists (select from run where run.id = token_profile.run_id)"""
#: The last snapshot of each day is kept longer.
_NOT_LAST_OF_DAY = """taken_at < :before and exists (
    select from token_snapshot later where later.token_id = token_snapshot.token_id
       and later.taken_at > token_snapshot.taken_at
       and later.taken_at < date_trunc('day', token_snapshot.taken_at, 'UTC') + interval '1 day')"""


@cache
def _deletes() -> tuple[Delete, Delete]:
    """For tokens and for pools; made late, when all watches are known.

    Kept: tokens of matches, tokens whose symbol people follow, and those in a schedule's ``include``.
    """
    kept = f"""({points_to("token", "token.id")}
     or exists (select from ({registry.followed()}) f (symbol) where f.symbol = upper(token.symbol))
     or array[lower(token.address), lower(coalesce(token.symbol, ''))] && array(
            select lower(jsonb_path_query(options, 'lax $.include[*]') #>> '{{}}') from schedule))"""  # noqa: S608 - SQL from code
    tokens = f"""last_seen_at < :before and not exists (
        select from token_pool where token_pool.token_id = token.id and checked_at >= :before)
        and not {kept}"""
    pools = f"""checked_at < :before and not exists (
        select from token where token.id = token_pool.token_id and {kept})"""
    children = ("token_snapshot", "token_sighting", "wallet_token", "token_pool")
    return (
        rows_with_children("token", "token_id", tokens, children),
        rows("token_pool", "id", pools, "checked_at"),
    )


def _delete_tokens(connection: Connection, asked: Slice) -> int:
    return _deletes()[0](connection, asked)


def _delete_pools(connection: Connection, asked: Slice) -> int:
    return _deletes()[1](connection, asked)


_DAYS = {
    "snapshot_days": Days(14, "Token values; then the last a day"),
    "old_snapshot_days": Days(365, "Last token values of each day"),
    "token_days": Days(90, "Tokens, pools: neither in a feed nor found since"),
    "wallet_days": Days(365, "Wallets not seen early since"),
}
_RETENTION = {
    "sightings": ("failed_run_days", whole_partitions("token_sighting")),
    "profiles": ("run_days", rows("token_profile", "run_id, token_id", _ASKED_BY_A_RUN_GONE)),
    "tokens": ("token_days", _delete_tokens),
    "pools": ("token_days", _delete_pools),
    "wallets": ("wallet_days", rows("wallet", "id", "last_seen_at < :before")),
    "snapshots": ("snapshot_days", rows("token_snapshot", "token_id, run_id", _NOT_LAST_OF_DAY)),
    "old snapshots": (
        "old_snapshot_days",
        rows("token_snapshot", "token_id, run_id", "taken_at < :before"),
    ),
}

WATCH = Watch(
    subject="token",
    plural="tokens",
    queue="discovery",
    fields={
        "symbol": Field(),
        "name": Field(),
        "chain": Field(label="Chain"),
        "price": Field(NUMBER, above=0),
        "market_cap": Field(NUMBER, minimum=0),
        "liquidity": Field(NUMBER, "Liquidity", minimum=0),
        "volume": Field(NUMBER, "Volume", minimum=0),
        "price_change": Field(NUMBER),
        "age_hours": Field(NUMBER),
        **drop_fields(),
        "boost_amount": Field(NUMBER),
        "boost_total": Field(NUMBER, "Boosts"),
    },
    rows=_ROWS,
    fields_of=lambda row: fields_of(row, row.now, row.old_price),
    title_of=title_of,
    pages=PAGES,
    columns=("price",),
    digest="new tokens",
    days=_DAYS,
    retention=_RETENTION,
    imitations=(
        Imitation("dexscreener", "sandbox.upstreams.dexscreener", 18081),
        Imitation("geckoterminal", "sandbox.upstreams.geckoterminal", 18084),
    ),
    seeds=(
        Seed(
            "discovery-demo",
            "Tokens, every half minute",
            "tasks.discovery.discover",
            every="30 seconds",
            options={"chains": [], "min_price_change_pct": 50, "max_token_age_hours": 168},
        ),
        Seed(
            "profile-demo",
            "Early buyers of chosen tokens",
            "tasks.discovery.profile",
            after="discovery-demo",
            overlap="buffer_one",
        ),
    ),
)
