"""`category_state`: when each category was first and last scraped completely."""

from sqlalchemy import Connection, ForeignKey, func
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from workers.db import Base, DefaultNow


class CategoryState(Base):
    """Complete scrapes of one category; a category without a row is scraped thoroughly next time."""

    __tablename__ = "category_state"
    __table_args__ = ({"comment": "First and last complete scrape of each category."},)

    category_id: Mapped[int] = mapped_column(
        ForeignKey("category.id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
        comment="Category",
    )
    first_complete_at: Mapped[DefaultNow] = mapped_column(
        comment="End of its first complete scrape; option thorough asks for another such"
    )
    last_complete_at: Mapped[DefaultNow] = mapped_column(comment="End of its last complete scrape")


def complete(connection: Connection, category: int) -> None:
    connection.execute(
        insert(CategoryState)
        .values(category_id=category)
        .on_conflict_do_update(
            index_elements=["category_id"], set_={"last_complete_at": func.clock_timestamp()}
        )
    )
