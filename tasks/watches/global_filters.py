"""`global_filter`: one row of filters that hold for every rule."""

from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Mapped, mapped_column

from workers.db import Base


class GlobalFilter(Base):
    __tablename__ = "global_filter"
    __table_args__ = (
        {"comment": "One row: filters that hold for every rule; a rule's own replace them one by one."},
    )

    single: Mapped[bool] = mapped_column(
        primary_key=True, server_default=text("true"), comment="Always true: one row"
    )
    filters: Mapped[dict[str, Any]] = mapped_column(
        server_default=text("'{}'"),
        comment="listing_types, exclude_listing_types, ships_to, exclude_status,"
        " min_seller_reputation, categories",
    )
