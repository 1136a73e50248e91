"""`listing`: every listing ever seen, with its latest state."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, cast

from sqlalchemy import (
    BigInteger,
    BindParameter,
    ColumnElement,
    Connection,
    Executable,
    ForeignKey,
    Index,
    Table,
    UniqueConstraint,
    bindparam,
    case,
    column,
    func,
    select,
    text,
    update,
)
from sqlalchemy import cast as cast_to
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import Numeric

from tasks.listings.categories import Category
from tasks.listings.expiry import Coverage, Dated
from workers.db import Base, DefaultNow, RowId


class Listing(Base):
    __tablename__ = "listing"
    __table_args__ = (
        UniqueConstraint("site", "external_id"),
        Index("listing_by_category", "category_id", "last_seen_at"),
        Index("listing_by_first_seen", "first_seen_at"),
        Index("listing_by_last_seen", "last_seen_at"),
        {"comment": "Every ad ever seen, with its latest state."},
    )

    id: Mapped[RowId]
    site: Mapped[str] = mapped_column(ForeignKey("site.name", ondelete="CASCADE"), comment="Site")
    external_id: Mapped[str] = mapped_column(comment="The site's own number")
    category_id: Mapped[int | None] = mapped_column(
        ForeignKey("category.id", ondelete="SET NULL"), comment="Category it was found in"
    )
    title: Mapped[str] = mapped_column(comment="Title")
    url: Mapped[str] = mapped_column(comment="Address of the ad")
    image_url: Mapped[str | None] = mapped_column(comment="Address of its picture")
    listing_type: Mapped[str | None] = mapped_column(comment="For Sale, Want To Buy …")
    price: Mapped[Decimal | None] = mapped_column(Numeric(14, 2), comment="Price asked")
    currency: Mapped[str | None] = mapped_column(
        comment="Currency (ISO 4217); null beside a price: the currency is not known"
    )
    price_text: Mapped[str | None] = mapped_column(
        comment="The price as the ad writes it, where its currency is not known"
    )
    condition: Mapped[str | None] = mapped_column(comment="Condition")
    negotiability: Mapped[str | None] = mapped_column(comment="Firm, Or best offer …")
    ships_to: Mapped[str | None] = mapped_column(comment="Where it is sent, as the ad says")
    regions: Mapped[list[str]] = mapped_column(
        server_default=text("'{}'"), comment="The same, region by region"
    )
    seller: Mapped[str | None] = mapped_column(comment="Seller's user name")
    seller_reputation: Mapped[int | None] = mapped_column(comment="Seller's reputation")
    status: Mapped[str] = mapped_column(
        server_default=text("'active'"),
        comment="active | sold | closed | traded | expired | deleted",
    )
    listed_at: Mapped[datetime | None] = mapped_column(comment="When the seller listed it")
    edited_at: Mapped[datetime | None] = mapped_column(comment="When the seller last edited it")
    missed_scrapes: Mapped[int] = mapped_column(
        server_default=text("0"),
        comment="Complete scrapes in a row that should have shown it and did not",
    )
    first_seen_at: Mapped[DefaultNow] = mapped_column(comment="First seen")
    changed_at: Mapped[DefaultNow] = mapped_column(comment="Last change seen")
    last_seen_at: Mapped[DefaultNow] = mapped_column(comment="Last seen")


#: Columns that a card on a list page gives.
CARD_COLUMNS = (
    "title", "url", "image_url", "listing_type", "price", "currency", "price_text", "condition",
    "negotiability", "ships_to", "regions", "seller", "seller_reputation", "status", "listed_at",
    "edited_at",
)  # fmt: skip
_TABLE = cast("Table", Listing.__table__)
#: Statements are built once: with the same object the compiled text is found at once.
_SITE: BindParameter[str] = bindparam("of_site")
_IDS: BindParameter[list[str]] = bindparam("of_ids")
_CATEGORY: BindParameter[int] = bindparam("in_category", type_=BigInteger)
_LOCK = (
    select(*(_TABLE.c[name] for name in ("id", "external_id", "category_id", *CARD_COLUMNS)))
    .where(_TABLE.c.site == _SITE, _TABLE.c.external_id == func.any(_IDS))
    .order_by(_TABLE.c.external_id)
    .with_for_update()
)


def lock(connection: Connection, site: str, ids: list[str]) -> dict[str, dict[str, Any]]:
    """Stored rows of these listings by the site's number; they are locked."""
    rows = connection.execute(_LOCK, {"of_site": site, "of_ids": ids}).mappings()
    return {row["external_id"]: dict(row) for row in rows}


def _moved() -> ColumnElement[int]:
    """The category of a listing that is seen in another one: that one, unless it is a parent."""
    is_parent = select(Category.id).where(Category.parent_id == _CATEGORY).exists()
    return case((is_parent, func.coalesce(_TABLE.c.category_id, _CATEGORY)), else_=_CATEGORY)


def _make_upsert() -> Executable:
    """All rows are one parameter: a statement of a thousand costs more to put together than to run."""
    columns = [_TABLE.c[name] for name in ("external_id", *CARD_COLUMNS)]
    given = (
        func.jsonb_to_recordset(bindparam("rows", type_=JSONB))
        .table_valued(*(column(one.name, one.type) for one in columns))
        .render_derived(name="given", with_types=True)
    )
    new = insert(_TABLE).from_select(
        ["site", "category_id", *(one.name for one in columns)],
        select(_SITE, cast_to(_CATEGORY, BigInteger), *given.c),
    )
    changes: dict[str, Any] = {name: new.excluded[name] for name in CARD_COLUMNS}
    changes |= {name: func.clock_timestamp() for name in ("changed_at", "last_seen_at")}
    changes |= {"category_id": _moved(), "missed_scrapes": 0}
    return new.on_conflict_do_update(index_elements=["site", "external_id"], set_=changes).returning(
        _TABLE.c.external_id, _TABLE.c.id
    )


_UPSERT = _make_upsert()


def upsert(
    connection: Connection, site: str, category: int, rows: Sequence[dict[str, Any]]
) -> dict[str, int]:
    """Write these listings as they are now and seen now; returns their keys by the site's number."""
    if not rows:
        return {}
    given = [{name: _plain(value) for name, value in row.items()} for row in rows]
    written = connection.execute(_UPSERT, {"of_site": site, "in_category": category, "rows": given})
    return {row.external_id: row.id for row in written}


def _plain(value: Any) -> Any:
    """As JSON has it; Postgres makes a price and a time of its text again."""
    return str(value) if isinstance(value, Decimal | datetime) else value


_MARK_SEEN = (
    update(_TABLE)
    .where(_TABLE.c.site == _SITE, _TABLE.c.external_id == func.any(_IDS))
    .values(last_seen_at=func.clock_timestamp(), missed_scrapes=0, category_id=_moved())
)


def mark_seen(connection: Connection, site: str, category: int, ids: list[str]) -> None:
    """Set these listings as seen now; they move to this category unless it is a parent."""
    if ids:
        connection.execute(_MARK_SEEN, {"of_site": site, "in_category": category, "of_ids": ids})


def dates(connection: Connection, site: str, ids: list[str]) -> list[Dated]:
    rows = connection.execute(
        select(Listing.external_id, Listing.listed_at, Listing.edited_at).where(
            Listing.site == site, Listing.external_id == func.any(ids)
        )
    )
    by_id: dict[str, Any] = {row.external_id: row for row in rows}
    return [by_id[number] for number in ids if number in by_id]


def count_missed(
    connection: Connection, category: int, began: datetime, covered: Coverage, limit: int
) -> list[int]:
    """Count a complete scrape against active listings that it covered and did not see.

    Those missed ``limit`` times in a row expire; their keys are returned.
    """
    missed = Listing.missed_scrapes + 1
    unseen = [
        Listing.category_id == category,
        Listing.status == "active",
        Listing.last_seen_at < began,
    ]
    if not covered.whole:
        touched = func.greatest(Listing.edited_at, Listing.listed_at)
        unseen.append((touched if covered.by_touched else Listing.listed_at) > covered.below)
    rows = connection.execute(
        update(Listing)
        .where(*unseen)
        .values(
            missed_scrapes=missed,
            status=case((missed >= limit, "expired"), else_=Listing.status),
            changed_at=case((missed >= limit, func.clock_timestamp()), else_=Listing.changed_at),
        )
        .returning(Listing.id, Listing.status)
    )
    return [row.id for row in rows if row.status == "expired"]
