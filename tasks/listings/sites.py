"""`site`: web sites with classified ads, and where on their pages things stand."""

from __future__ import annotations

from typing import Any

from sqlalchemy import CheckConstraint, Connection, ForeignKey, Index, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from workers.db import Base


class Site(Base):
    """One site; its ``selectors`` are CSS, by the names in tasks/listings/cards.py."""

    __tablename__ = "site"
    __table_args__ = (
        CheckConstraint("page_path like '%{page}%'", name="page_path must contain {page}"),
        Index("site_by_upstream", "upstream"),
        {"comment": "Sites with classified ads; add one with SQL alone."},
    )

    name: Mapped[str] = mapped_column(Text, primary_key=True, comment="Name")
    upstream: Mapped[str] = mapped_column(
        Text, ForeignKey("upstream.name"), comment="Upstream whose limits hold for it"
    )
    title: Mapped[str] = mapped_column(Text, comment="Name for people")
    page_path: Mapped[str] = mapped_column(
        Text, server_default=text("'page-{page}'"), comment="Added to a category's path from page 2"
    )
    selectors: Mapped[dict[str, Any]] = mapped_column(
        JSONB, comment="Where on a card things stand (CSS)"
    )
    currency: Mapped[str] = mapped_column(
        Text, server_default=text("'USD'"), comment="Currency of a price that names none"
    )
    active: Mapped[bool] = mapped_column(server_default=text("true"), comment="false: left alone")
    note: Mapped[str | None] = mapped_column(Text, comment="Why it is as it is")


def find(connection: Connection, name: str) -> Any:
    """The site's row, or None."""
    return connection.execute(text("select * from site where name = :name"), {"name": name}).first()
