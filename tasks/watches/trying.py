"""Rules tried on what is already known, without a match or a notice."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, text

from tasks.watches.matching import dropped

_LISTINGS = text("""
select l.*, c.title as category, c.slug as category_slug, s.currency as site_currency,
       clock_timestamp() as now,
       (select case when p.currency = l.currency then p.price end from listing_price p
         where p.listing_id = l.id order by p.id desc offset 1 limit 1) as old_price
  from listing l join site s on s.name = l.site left join category c on c.id = l.category_id
 where (cast(:span as interval) is null or l.last_seen_at > clock_timestamp() - cast(:span as interval))
   and (cast(:number as bigint) is null or l.id = :number)
 order by l.id desc
""")
_TOKENS = text("""
select t.*, clock_timestamp() as now from token t
 where (cast(:span as interval) is null or t.last_seen_at > clock_timestamp() - cast(:span as interval))
   and (cast(:number as bigint) is null or t.id = :number)
 order by t.id desc
""")
_QUOTES = text("""
select q.*, clock_timestamp() as now from quote q
 where (cast(:span as interval) is null or q.fetched_at > clock_timestamp() - cast(:span as interval))
 order by q.symbol
""")
_BY_SUBJECT = {"listing": _LISTINGS, "token": _TOKENS, "quote": _QUOTES}


def known(
    connection: Connection, subject: str, *, span: timedelta | None = None, number: int | None = None
) -> Sequence[Any]:
    """Rows of a subject seen within ``span``, or the one with that key."""
    parameters: dict[str, Any] = {"span": span, "number": number}
    if subject == "quote":
        del parameters["number"]
    return connection.execute(_BY_SUBJECT[subject], parameters).all()


def _age(row: Any, since: Any) -> float | None:
    return None if since is None else (row.now - since).total_seconds() / 3600


def fields_of(subject: str, row: Any) -> dict[str, Any]:
    """A row as the fields that rules know."""
    if subject == "listing":
        from tasks.listings.matching import fields_of

        return {**fields_of(row), **dropped(row.old_price, row.price)}
    if subject == "token":
        return {
            "symbol": row.symbol,
            "name": row.name,
            "chain": row.chain,
            "price": row.price_usd,
            "market_cap": row.market_cap,
            "volume": row.volume_h24,
            "liquidity": row.liquidity_usd,
            "price_change": row.price_change_h24,
            "age_hours": _age(row, row.pool_created_at),
        }
    previous = row.previous_close
    change = None if not previous else (row.price - previous) * 100 / previous
    return {
        "symbol": row.symbol,
        "source": row.source,
        "price": row.price,
        "previous_close": previous,
        "volume": row.volume,
        "price_change": change,
        **dropped(previous, row.price),
    }


def title_of(subject: str, row: Any) -> str:
    """What a row is called."""
    return str(row.title if subject == "listing" else row.symbol)
