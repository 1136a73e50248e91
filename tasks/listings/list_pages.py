"""`list_page`: each list page as it was read last, so that it need not be sent again unchanged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, ForeignKey, Text, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import BigInteger, DateTime

from workers.db import Base
from workers.upstreams import Validators


class ListPage(Base):
    """What a category's page said of itself, and which ads it held."""

    __tablename__ = "list_page"
    __table_args__ = ({"comment": "Each list page as it was read last, for conditional requests."},)

    category_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("category.id", ondelete="CASCADE"), primary_key=True, comment="Category"
    )
    page: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, comment="From 1")
    etag: Mapped[str | None] = mapped_column(Text, comment="Its ETag")
    last_modified: Mapped[str | None] = mapped_column(Text, comment="Its Last-Modified")
    reading: Mapped[str] = mapped_column(Text, comment="By which version of the site's row it was read")
    external_ids: Mapped[list[str]] = mapped_column(ARRAY(Text), comment="Its ads, in order")
    has_next: Mapped[bool] = mapped_column(comment="Whether another page followed")
    read_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True), server_default=text("clock_timestamp()"), comment="When it was read"
    )


@dataclass(frozen=True, slots=True)
class Remembered:
    """A page as it was read last."""

    validators: Validators
    external_ids: list[str]
    has_next: bool


_RECALL = text("""
select etag, last_modified, external_ids, has_next from list_page
 where category_id = :category and page = :page and reading = :reading
   and (etag is not null or last_modified is not null)
""")


def recall(connection: Connection, category: int, page: int, reading: str) -> Remembered | None:
    """What to ask the page with, when it was read the same way before."""
    found = connection.execute(
        _RECALL, {"category": category, "page": page, "reading": reading}
    ).first()
    if found is None:
        return None
    return Remembered(
        Validators(found.etag, found.last_modified), list(found.external_ids), found.has_next
    )


_LAST = text("""
select cardinality(external_ids) as ads, has_next from list_page
 where category_id = :category and page = :page
""")


@dataclass(frozen=True, slots=True)
class Last:
    """A page as it was stored last, by whatever version of the site's row."""

    ads: int
    has_next: bool


def last(connection: Connection, category: int, page: int) -> Last | None:
    """How the page was when it was stored last; None: it never was."""
    found = connection.execute(_LAST, {"category": category, "page": page}).first()
    return Last(found.ads, found.has_next) if found is not None else None


_ABOVE = text("""
select distinct unnest(external_ids) as id from list_page
 where category_id = :category and page < :page
""")


def above(connection: Connection, category: int, page: int) -> set[str]:
    """Numbers of the ads on the pages before this one, as they were stored last."""
    return set(connection.execute(_ABOVE, {"category": category, "page": page}).scalars())


_REMEMBER = text("""
insert into list_page (category_id, page, etag, last_modified, reading, external_ids, has_next)
values (:category, :page, :etag, :last_modified, :reading, :ids, :has_next)
on conflict (category_id, page) do update
   set etag = excluded.etag, last_modified = excluded.last_modified, reading = excluded.reading,
       external_ids = excluded.external_ids, has_next = excluded.has_next,
       read_at = clock_timestamp()
""")


def remember(
    connection: Connection,
    category: int,
    page: int,
    reading: str,
    validators: Validators,
    ids: Sequence[str],
    *,
    has_next: bool,
) -> None:
    """Keep how the page was."""
    connection.execute(
        _REMEMBER,
        {
            "category": category, "page": page, "reading": reading, "ids": list(ids),
            "etag": validators.etag, "last_modified": validators.last_modified,
            "has_next": has_next,
        },
    )  # fmt: skip
