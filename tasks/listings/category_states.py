"""`category_state`: what the machine knows of each category: scraped since when, last when."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, ForeignKey, text
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import BigInteger, DateTime

from workers.db import Base


class CategoryState(Base):
    """One category's past; without a row its next scrape is the first, thorough one."""

    __tablename__ = "category_state"
    __table_args__ = ({"comment": "Since when and last when each category was scraped whole."},)

    category_id: Mapped[int] = mapped_column(
        BigInteger,
        ForeignKey("category.id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
        comment="Category",
    )
    first_complete_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True),
        server_default=text("clock_timestamp()"),
        comment="End of its first complete scrape; option thorough asks for another such",
    )
    last_complete_at: Mapped[datetime] = mapped_column(
        DateTime(timezone=True),
        server_default=text("clock_timestamp()"),
        comment="End of its last complete scrape",
    )


_COMPLETE = text("""
insert into category_state (category_id) values (:category)
on conflict (category_id) do update set last_complete_at = clock_timestamp()
""")


def complete(connection: Connection, category: int) -> None:
    """A scrape of the category went through."""
    connection.execute(_COMPLETE, {"category": category})
