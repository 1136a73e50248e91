"""`category`: parts of a site; those marked ``scraped`` are visited."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, ForeignKey, Identity, Index, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import BigInteger

from workers.db import Base


class Category(Base):
    """One category."""

    __tablename__ = "category"
    __table_args__ = (
        UniqueConstraint("site", "external_id"),
        UniqueConstraint("site", "slug"),
        Index("category_by_parent", "parent_id"),
        {"comment": "Categories of sites; those marked scraped are visited."},
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(), primary_key=True, comment="Key")
    site: Mapped[str] = mapped_column(Text, ForeignKey("site.name", ondelete="CASCADE"), comment="Site")
    external_id: Mapped[str] = mapped_column(Text, comment="The site's own number")
    slug: Mapped[str] = mapped_column(Text, comment="The site's own word, used in options")
    title: Mapped[str] = mapped_column(Text, comment="Name for people")
    path: Mapped[str] = mapped_column(Text, comment="Path of its first page")
    parent_id: Mapped[int | None] = mapped_column(
        BigInteger, ForeignKey("category.id"), comment="Category it belongs to"
    )
    scraped: Mapped[bool] = mapped_column(server_default=text("true"), comment="Whether visited")


_WANTED = text("""
select id, slug, path, title from category
 where site = :site and (slug = any(:slugs) or (:slugs is null and scraped))
 order by id
""")


def wanted(connection: Connection, site: str, slugs: list[str] | None) -> list[Any]:
    """Categories to visit: those named, or all that are marked scraped."""
    statement = text(_WANTED.text.replace(":slugs", "cast(:slugs as text[])"))
    return list(connection.execute(statement, {"site": site, "slugs": slugs}))
