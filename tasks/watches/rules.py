"""`rule`: what people want notices of; one row a rule, with its own filters."""

from typing import Any

from sqlalchemy import Connection, select, text
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import BigInteger

from tasks.watches.filters import Filters
from tasks.watches.global_filters import GlobalFilter
from tasks.watches.grammar import RuleError
from tasks.watches.parsed_rules import Ready, ready
from tasks.watches.watch import DEFAULT_SUBJECT
from workers.db import Base, DefaultNow

OCCASIONS = ("new", "price_drop", "relisted", "changed")


class Rule(Base):
    __tablename__ = "rule"
    __table_args__ = ({"comment": "Rules: an expression over what a watch finds."},)

    name: Mapped[str] = mapped_column(primary_key=True, comment="Lower-case words joined by hyphens")
    subject: Mapped[str] = mapped_column(
        server_default=DEFAULT_SUBJECT, comment="What it is about: a name of table subject"
    )
    expression: Mapped[str] = mapped_column(comment='E.g. title contains "HD 650" AND price < 300')
    grammar: Mapped[int] = mapped_column(
        server_default=text("2"),
        comment="Language of the expression: 1 (original) or 2 (extended)",
    )
    currency: Mapped[str | None] = mapped_column(
        comment="Currency (ISO 4217) of the prices it compares; null: the site's own"
    )
    filters: Mapped[dict[str, Any]] = mapped_column(
        server_default=text("'{}'"), comment="Filters that replace the global ones, one by one"
    )
    occasions: Mapped[list[str]] = mapped_column(
        server_default=text("'{new,price_drop,relisted,changed}'"),
        comment="Occasions that it is evaluated on: new, price_drop, relisted, changed",
    )
    channels: Mapped[list[str] | None] = mapped_column(
        comment="Channels that get its matches; null: every enabled one"
    )
    baseline: Mapped[bool] = mapped_column(
        server_default=text("false"), comment="Also ads that a category's first scrape finds"
    )
    enabled: Mapped[bool] = mapped_column(
        server_default=text("true"), comment="false: not evaluated, and what waits of it is dropped"
    )
    note: Mapped[str | None] = mapped_column(comment="Remarks")
    revision: Mapped[int] = mapped_column(
        BigInteger, server_default=text("0"), comment="Rises at every edit (trigger)"
    )
    updated_at: Mapped[DefaultNow] = mapped_column(comment="Last edit (trigger)")


def common_filters(connection: Connection) -> Filters:
    found = connection.execute(select(GlobalFilter.filters)).scalar_one_or_none()
    return Filters().overridden(found)


def active(connection: Connection, subject: str) -> list[Ready]:
    """Enabled rules on a subject, without those that `rule_state` calls wrong."""
    on_subject = select(Rule.__table__).where(Rule.enabled, Rule.subject == subject)
    rows = connection.execute(on_subject.order_by(Rule.name)).all()
    if not rows:
        return []
    common = common_filters(connection)
    found = []
    for row in rows:
        try:
            found.append(ready(row, common))
        except (RuleError, ValueError):
            continue
    return found
