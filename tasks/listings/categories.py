"""`category`: parts of a site; those marked ``scraped`` are visited."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, ForeignKey, Index, UniqueConstraint, func, select
from sqlalchemy import text as sql
from sqlalchemy.orm import Mapped, mapped_column

from tasks.listings.category_states import CategoryState
from tasks.listings.scrapes import Scrape
from workers.db import Base, RowId


class Category(Base):
    __tablename__ = "category"
    __table_args__ = (
        UniqueConstraint("site", "external_id"),
        UniqueConstraint("site", "slug"),
        Index("category_by_parent", "parent_id"),
        {"comment": "Categories of sites; those marked scraped are read."},
    )

    id: Mapped[RowId]
    site: Mapped[str] = mapped_column(ForeignKey("site.name", ondelete="CASCADE"), comment="Site")
    external_id: Mapped[str] = mapped_column(comment="The site's own number")
    slug: Mapped[str] = mapped_column(comment="The site's own word, used in options")
    title: Mapped[str] = mapped_column(comment="Name for people")
    path: Mapped[str] = mapped_column(
        comment="Path of its first page; with {page} where the page number stands inside the path"
    )
    parent_id: Mapped[int | None] = mapped_column(
        ForeignKey("category.id", ondelete="SET NULL"), comment="Category it belongs to"
    )
    scraped: Mapped[bool] = mapped_column(server_default=sql("true"), comment="Whether scrapes read it")


def find(connection: Connection, site: str, slugs: list[str] | None) -> Sequence[Any]:
    """The named categories of a site, or all that are scraped.

    ``first``: never scraped completely; ``broken``: a scrape since then ended below the pages it read.
    """
    chosen = Category.scraped if slugs is None else Category.slug == func.any(slugs)
    broken = select(Scrape.run_id).where(
        Scrape.category_id == Category.id,
        Scrape.started_at > func.coalesce(CategoryState.last_complete_at, sql("'-infinity'")),
        Scrape.state.in_(("running", "blocked", "failed")),
        Scrape.pages > 0,
    )
    return connection.execute(
        select(
            Category.id,
            Category.slug,
            Category.path,
            CategoryState.first_complete_at.is_(None).label("first"),
            broken.exists().label("broken"),
        )
        .outerjoin(CategoryState)
        .where(Category.site == site, chosen)
        .order_by(Category.id)
    ).all()
