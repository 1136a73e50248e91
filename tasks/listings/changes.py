"""Columns of listings over time: one row a change."""

from typing import Any, cast

from sqlalchemy import Executable, Table, bindparam, func, insert, or_, select, true

from tasks.listings.listings import Listing


def recorder(history: Any, *columns: str, before: str | None = None) -> Executable:
    """Adds to ``history`` what listings ``ids`` have now in ``columns``, where its latest row differs.

    ``before``: the column for what the first of them was.
    """
    now = [getattr(Listing, column) for column in columns]
    latest = (
        select(*[getattr(history, column) for column in columns])
        .where(history.listing_id == Listing.id)
        .order_by(history.seen_at.desc(), history.id.desc())
        .limit(1)
        .lateral("latest")
    )
    was = [latest.c[column] for column in columns]
    changed = (
        select(Listing.id, *now, *([was[0]] if before else []))
        .outerjoin(latest, true())
        .where(
            Listing.id == func.any(bindparam("ids")),
            now[0].is_not(None),
            or_(*[new.is_distinct_from(old) for new, old in zip(now, was, strict=True)]),
        )
        .order_by(Listing.id)
    )
    names = ["listing_id", *columns, *([before] if before else [])]
    added = insert(cast("Table", history.__table__)).from_select(names, changed)
    return added.execution_options(preserve_rowcount=True)
