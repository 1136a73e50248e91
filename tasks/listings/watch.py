"""Listings: what scrapes find, as rules, notices, retention and the sandbox know it."""

from typing import Any

from tasks.listings.pages import PAGES
from tasks.watches.deletes import points_to, rows, rows_with_children
from tasks.watches.watch import (
    NUMBER,
    REGIONS,
    Days,
    Field,
    Imitation,
    Seed,
    Watch,
    drop_fields,
    price_drop,
)

#: Columns and tables of a row that `fields_of` takes.
COLUMNS = """l.*, c.title as category, c.slug as category_slug, s.currency as site_currency,
       clock_timestamp() as now"""
TABLES = "listing l join site s on s.name = l.site left join category c on c.id = l.category_id"
_ROWS = f"""
select {COLUMNS},
       (select case when p.currency = l.currency then p.price end from listing_price p
         where p.listing_id = l.id order by p.id desc offset 1 limit 1) as old_price
  from {TABLES}
 where (cast(:span as interval) is null or l.last_seen_at > clock_timestamp() - cast(:span as interval))
   and (cast(:key as text) is null or l.id = cast(:key as bigint))
 order by l.id desc
"""  # noqa: S608 - names from code


def fields_of(row: Any) -> dict[str, Any]:
    age = None if row.listed_at is None else (row.now - row.listed_at).total_seconds() / 3600
    return {
        "title": row.title,
        "category": row.category,
        "category_slug": row.category_slug,
        "listing_type": row.listing_type,
        "price": row.price,
        "currency": row.currency,
        # No fields of rules: the currency that prices are compared in, and the price as it is written.
        "site_currency": row.site_currency,
        "price_text": row.price_text,
        "condition": row.condition,
        "negotiability": row.negotiability,
        "shipping_regions": row.regions or None,
        "seller_username": row.seller,
        "seller_reputation": row.seller_reputation,
        "status": row.status,
        "site": row.site,
        "url": row.url,
        "age_hours": age,
    }


_UNSEEN = f"last_seen_at < :before and not {points_to('listing', 'listing.id')}"

WATCH = Watch(
    subject="listing",
    plural="listings",
    queue="listings",
    fields={
        "title": Field(),
        "listing_type": Field(aliases=("type",)),
        "price": Field(NUMBER, above=0, is_money=True),
        "currency": Field(codes="tasks.listings.currencies:CODES"),
        "condition": Field(label="Condition"),
        "negotiability": Field(),
        "shipping_regions": Field(REGIONS, "Ships to", ("shipping", "ships_to")),
        "seller_username": Field(label="Seller", aliases=("seller",)),
        "seller_reputation": Field(NUMBER, aliases=("reputation",)),
        "category": Field(label="Category"),
        "status": Field(values=("active", "sold", "closed", "traded", "expired", "deleted")),
        "site": Field(),
        "url": Field(),
        "age_hours": Field(NUMBER),
        **drop_fields(is_money=True),
    },
    rows=_ROWS,
    fields_of=lambda row: {**fields_of(row), **price_drop(row.old_price, row.price)},
    title_of=lambda row: str(row.title),
    # By site, as the index has it.
    numbered="select l.id from site s join listing l on l.site = s.name and l.external_id = %(number)s",
    pages=PAGES,
    columns=("price", "currency"),
    is_filtered=True,
    digest="new ads",
    tables={"site": "insert update delete", "category": "insert update delete"},
    days={"listing_days": Days(365, "Ads not seen since")},
    retention={
        "scrapes": (
            "failed_run_days",
            rows("scrape", "run_id, category_id", "started_at < :before", "started_at"),
        ),
        "listings": (
            "listing_days",
            rows_with_children(
                "listing", "listing_id", _UNSEEN, ("listing_price", "listing_status_change")
            ),
        ),
    },
    drawn="select name from site where fetch_by = 'browser'",
    commands={"listings": "tasks.listings.commands:listings"},
    imitations=(
        Imitation(
            "head_fi",
            "sandbox.upstreams.head_fi",
            18083,
            (
                "update upstream set spacing = '0.2 s' where name = 'head_fi'",
                "update quota set calls = 55 where upstream = 'head_fi'",
            ),
        ),
    ),
    # Scrapes take long: processes of their own keep them from holding every slot.
    workers="scrape",
    seeds=(
        Seed(
            "listings-demo",
            "Classified ads",
            "tasks.listings.scrape",
            every="20 seconds",
            options={
                "scheduled_max_pages": 1,
                "initial_max_pages": 1,
                "rate_limit_delay_seconds": 0.5,
            },
        ),
    ),
)
