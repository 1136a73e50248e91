"""`market`: exchanges whose trading days schedules and prices may follow."""

from sqlalchemy.orm import Mapped, mapped_column

from workers.db import Base


class Market(Base):
    __tablename__ = "market"
    __table_args__ = ({"comment": "Exchanges whose trading days schedules may follow."},)

    mic: Mapped[str] = mapped_column(primary_key=True, comment="Market identifier code")
    title: Mapped[str] = mapped_column(comment="Name for people")
    timezone: Mapped[str] = mapped_column(comment="IANA zone of its dates")
