"""`category`: parts of a site; those marked ``scraped`` are visited."""

from __future__ import annotations

from typing import Any

from sqlalchemy import CheckConstraint, Connection, ForeignKey, Identity, Index, Text, UniqueConstraint
from sqlalchemy import text as sql
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import BigInteger

from workers.db import Base


class Category(Base):
    """One category."""

    __tablename__ = "category"
    __table_args__ = (
        CheckConstraint("path like '/%'", name="path must begin with /"),
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
    path: Mapped[str] = mapped_column(
        Text,
        comment="Path of its first page; or with {page} where the number belongs in the middle of it",
    )
    parent_id: Mapped[int | None] = mapped_column(
        BigInteger, ForeignKey("category.id"), comment="Category it belongs to"
    )
    scraped: Mapped[bool] = mapped_column(server_default=sql("true"), comment="Whether visited")


_WANTED = sql("""
select c.id, c.slug, c.path, c.title, s.first_complete_at is null as first
  from category c left join category_state s on s.category_id = c.id
 where c.site = :site
   and (c.slug = any(:slugs) or (cast(:slugs as text[]) is null and c.scraped))
 order by c.id
""")


def wanted(connection: Connection, site: str, slugs: list[str] | None) -> list[Any]:
    """Categories to visit, and whether each is visited for the first time.

    Those named, or all that are marked scraped.
    """
    return list(connection.execute(_WANTED, {"site": site, "slugs": slugs}))


_LIST = sql("""
select c.site, c.external_id as id, c.slug, c.title, p.slug as parent, c.scraped,
       (select count(*) from listing l where l.category_id = c.id and l.status = 'active')
           as active_ads,
       s.last_complete_at
  from category c
  left join category p on p.id = c.parent_id
  left join category_state s on s.category_id = c.id
 order by c.site, c.id
""")


def every(connection: Connection) -> list[dict[str, Any]]:
    """All categories with their numbers, for people."""
    return [dict(row) for row in connection.execute(_LIST).mappings()]
