"""What rules are asked about ads: new ones, lower prices, ads that are back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, text

from tasks.listings.store import NEW, PRICE_DROP, Finding
from tasks.watches import matching
from tasks.watches.matching import Found

_ROWS = text("""
select l.*, c.title as category, c.slug as category_slug, s.currency as site_currency,
       clock_timestamp() as now
  from listing l join site s on s.name = l.site left join category c on c.id = l.category_id
 where l.id = any(:ids)
""")


def fields_of(row: Any) -> dict[str, Any]:
    """An ad's row, with its category, as the fields that rules know."""
    age = None if row.listed_at is None else (row.now - row.listed_at).total_seconds() / 3600
    return {
        "title": row.title,
        "category": row.category,
        "category_slug": row.category_slug,
        "listing_type": row.listing_type,
        "price": row.price,
        "currency": row.currency,
        # No fields of rules: what a price is compared in, and how the ad writes it.
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


def judge(
    connection: Connection, run_id: UUID | None, findings: Sequence[Finding], *, baseline: bool
) -> tuple[int, int]:
    """Ask the rules about these ads; how many matches and notices that made."""
    if not findings:
        return 0, 0
    ids = [finding.listing_id for finding in findings]
    rows = {row.id: row for row in connection.execute(_ROWS, {"ids": ids})}
    found = [
        _found(rows[finding.listing_id], finding, baseline=baseline and finding.trigger == NEW)
        for finding in findings
    ]
    return matching.judge(connection, run_id, "listing", found)


def _found(row: Any, finding: Finding, *, baseline: bool) -> Found:
    key = finding.trigger
    if finding.trigger == PRICE_DROP:
        key = f"{key} {matching.plain(row.price)}"
    elif finding.trigger != NEW:
        key = f"{key} {row.now:%Y-%m-%d}"
    return Found(
        subject_id=str(row.id),
        occasion=finding.trigger,
        occasion_key=key,
        title=row.title,
        fields={**fields_of(row), **matching.dropped(finding.old_price, row.price)},
        url=row.url,
        old_price=finding.old_price,
        baseline=baseline,
    )
