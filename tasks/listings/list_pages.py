"""`list_page`: each list page as it was last read, for conditional requests."""

from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import Connection, Executable, ForeignKey, Table, bindparam, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from workers.db import Base, DefaultNow
from workers.upstreams import Validators


class ListPage(Base):
    __tablename__ = "list_page"
    __table_args__ = ({"comment": "Each list page as it was read last, for conditional requests."},)

    category_id: Mapped[int] = mapped_column(
        ForeignKey("category.id", ondelete="CASCADE"), primary_key=True, comment="Category"
    )
    page: Mapped[int] = mapped_column(
        primary_key=True, autoincrement=False, comment="Number of the page, from 1"
    )
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


_TABLE = cast("Table", ListPage.__table__)
_READ = ("etag", "last_modified", "reading", "external_ids", "has_next")
_OF_CATEGORY = select(_TABLE.c.page, *(_TABLE.c[name] for name in _READ)).where(
    _TABLE.c.category_id == bindparam("category"), _TABLE.c.page <= bindparam("last")
)


def of_category(connection: Connection, category: int, last: int) -> dict[int, StoredPage]:
    """The category's pages up to ``last`` as they were last read, by number."""
    rows = connection.execute(_OF_CATEGORY, {"category": category, "last": last})
    return {page: StoredPage(*values) for page, *values in rows}


def _make_upsert() -> Executable:
    new = insert(_TABLE)
    changes: dict[str, Any] = {name: new.excluded[name] for name in _READ}
    return new.on_conflict_do_update(
        index_elements=["category_id", "page"],
        set_={**changes, "read_at": func.clock_timestamp()},
    )


_UPSERT = _make_upsert()


def upsert(connection: Connection, category: int, page: int, read: StoredPage) -> None:
    values = {name: getattr(read, name) for name in _READ}
    connection.execute(_UPSERT, {"category_id": category, "page": page, **values})
