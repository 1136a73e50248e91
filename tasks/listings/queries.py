"""What people ask of table `listing`: rows as words, nothing that writes."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, text

_FOUND = text("""
select l.external_id as id, l.title, l.price, l.currency, l.status, l.listing_type as type,
       c.slug as category, l.seller, ago_words(l.first_seen_at) as found, l.site, l.url,
       first_price.price as first_price
  from listing l
  left join category c on c.id = l.category_id
  left join lateral (select p.price from listing_price p where p.listing_id = l.id
                      order by p.seen_at, p.id limit 1) first_price on true
 where (cast(:site as text) is null or l.site = :site)
   and (cast(:category as text) is null or c.slug = :category)
   and (cast(:status as text) is null or l.status = :status)
   and (cast(:words as text) is null or l.title ilike :words)
   and (cast(:most as numeric) is null or l.price <= :most)
 order by l.first_seen_at desc, l.id desc limit :count
""")


def found(
    connection: Connection,
    *,
    count: int,
    site: str | None = None,
    category: str | None = None,
    status: str | None = None,
    words: str | None = None,
    most: float | None = None,
) -> list[dict[str, Any]]:
    """Ads that fit, the newest first; ``words`` is part of the title, ``most`` the highest price."""
    escaped = (words or "").replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    wanted = {
        "count": count, "site": site, "category": category, "status": status, "most": most,
        "words": f"%{escaped}%" if words else None,
    }  # fmt: skip
    return [dict(row) for row in connection.execute(_FOUND, wanted).mappings()]


_ONE = text("""
select l.*, c.slug as category from listing l left join category c on c.id = l.category_id
 where l.external_id = :number and (cast(:site as text) is null or l.site = :site)
 order by l.site limit 2
""")
_HISTORY = text("""
select p.seen_at as at, 'price' as what, concat_ws(' ', p.price, p.currency) as value
  from listing_price p where p.listing_id = :listing
union all
select s.seen_at, 'status', s.status from listing_status_change s where s.listing_id = :listing
 order by 1
""")


def by_number(connection: Connection, number: str, site: str | None) -> list[dict[str, Any]]:
    """Ads of that number: none, one, or two when sites share it."""
    return [dict(row) for row in connection.execute(_ONE, {"number": number, "site": site}).mappings()]


def history(connection: Connection, listing: int) -> list[dict[str, Any]]:
    """Prices and statuses of an ad, the oldest first."""
    return [dict(row) for row in connection.execute(_HISTORY, {"listing": listing}).mappings()]
