"""`list_page`: each list page as it was last read, for conditional requests."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from sqlalchemy import Connection, ForeignKey, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from workers.db import Base, DefaultNow
from workers.upstreams import Validators


class ListPage(Base):
    """Validators of a category's page, and the listings on it."""

    __tablename__ = "list_page"
    __table_args__ = ({"comment": "Each list page as it was read last, for conditional requests."},)

    category_id: Mapped[int] = mapped_column(
        ForeignKey("category.id", ondelete="CASCADE"), primary_key=True, comment="Category"
    )
    page: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, comment="From 1")
    etag: Mapped[str | None] = mapped_column(comment="Its ETag")
    last_modified: Mapped[str | None] = mapped_column(comment="Its Last-Modified")
    reading: Mapped[str] = mapped_column(comment="Version of the site's row that it was read by")
    external_ids: Mapped[list[str]] = mapped_column(comment="Its ads, in order")
    has_next: Mapped[bool] = mapped_column(comment="Whether another page followed")
    read_at: Mapped[DefaultNow] = mapped_column(comment="When it was read")


@dataclass(frozen=True, slots=True)
class StoredPage:
    """A page as it was last read, by whatever version of the site's row."""

    etag: str | None
    last_modified: str | None
    reading: str
    external_ids: list[str]
    has_next: bool

    def validators(self, reading: str) -> Validators | None:
        """For a conditional request, if the page would be read in the same way again."""
        found = Validators(self.etag, self.last_modified)
        return found if self.reading == reading and found.headers() else None


def find(connection: Connection, category: int, page: int) -> StoredPage | None:
    row = connection.execute(
        select(
            ListPage.etag,
            ListPage.last_modified,
            ListPage.reading,
            ListPage.external_ids,
            ListPage.has_next,
        ).where(ListPage.category_id == category, ListPage.page == page)
    ).first()
    return StoredPage(*row) if row is not None else None


def ids_above(connection: Connection, category: int, page: int) -> set[str]:
    """Numbers of the listings on the pages before this one, as they were last read."""
    numbers = select(func.unnest(ListPage.external_ids)).distinct()
    above = numbers.where(ListPage.category_id == category, ListPage.page < page)
    return set(connection.execute(above).scalars())


def upsert(connection: Connection, category: int, page: int, read: StoredPage) -> None:
    values = asdict(read)
    connection.execute(
        insert(ListPage)
        .values(category_id=category, page=page, **values)
        .on_conflict_do_update(
            index_elements=["category_id", "page"],
            set_={**values, "read_at": func.clock_timestamp()},
        )
    )
