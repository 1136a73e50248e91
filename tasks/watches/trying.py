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
#: A drop is counted as for a rule that has heard of none: from the highest price of that time.
_TOKENS = text("""
select t.*, clock_timestamp() as now,
       coalesce((select r.reference_price from token_rule r where r.rule = :rule and r.token_id = t.id),
                (select max(s.price_usd) from token_snapshot s
                  where s.token_id = t.id and (cast(:span as interval) is null
                        or s.taken_at > clock_timestamp() - cast(:span as interval)))) as old_price
  from token t
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
    connection: Connection,
    subject: str,
    *,
    span: timedelta | None = None,
    number: int | None = None,
    rule: str | None = None,
) -> Sequence[Any]:
    """Rows of a subject seen within ``span``, or the one with that key, as ``rule`` sees it now."""
    given: dict[str, Any] = {"span": span}
    if subject != "quote":
        given["number"] = number
    if subject == "token":
        given["rule"] = rule
    return connection.execute(_BY_SUBJECT[subject], given).all()


def fields_of(subject: str, row: Any) -> dict[str, Any]:
    """A row as the fields that rules know, by the mapping of its watch."""
    from tasks.discovery import matching as discovery
    from tasks.listings import matching as listings
    from tasks.prices import matching as prices
    from tasks.prices.quotes import Price

    if subject == "listing":
        return {**listings.fields_of(row), **dropped(row.old_price, row.price)}
    if subject == "token":
        return discovery.fields_of(row, row.now, row.old_price)
    price = Price(row.symbol, row.price, row.session_date, row.volume, row.previous_close)
    return prices.fields_of(price, row.source)


def title_of(subject: str, row: Any) -> str:
    """What a row is called."""
    from tasks.discovery.matching import title_of

    return (
        title_of(row) if subject == "token" else str(row.title if subject == "listing" else row.symbol)
    )
