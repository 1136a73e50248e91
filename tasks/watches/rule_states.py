"""`rule_state`: whether a rule can be read, and if not, where and why."""

from sqlalchemy import Connection, ForeignKey, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import BigInteger

from tasks.watches.grammar import RuleError
from tasks.watches.parsed_rules import ready
from tasks.watches.rules import Rule, common_filters
from workers.db import Base, DefaultNow


class RuleState(Base):
    __tablename__ = "rule_state"
    __table_args__ = ({"comment": "Whether each rule can be read; if not, where and why."},)

    rule: Mapped[str] = mapped_column(
        ForeignKey("rule.name", onupdate="CASCADE", ondelete="CASCADE"),
        primary_key=True,
        comment="Rule",
    )
    revision: Mapped[int] = mapped_column(BigInteger, comment="Revision that was read")
    error: Mapped[str | None] = mapped_column(comment="What is wrong; null: the rule is active")
    error_at: Mapped[int | None] = mapped_column(
        comment="Where in the expression, in characters from 0"
    )
    hint: Mapped[str | None] = mapped_column(comment="What to write instead")
    checked_at: Mapped[DefaultNow] = mapped_column(comment="When")


_NEW = insert(RuleState)
_KEEP = _NEW.on_conflict_do_update(
    index_elements=["rule"],
    set_={name: _NEW.excluded[name] for name in ("revision", "error", "error_at", "hint")}
    | {"checked_at": func.clock_timestamp()},
)
_UNCHECKED = (
    select(Rule.__table__)
    .outerjoin(RuleState, RuleState.rule == Rule.name)
    .where(RuleState.revision.is_distinct_from(Rule.revision))
    .order_by(Rule.name)
)


def check_edited(connection: Connection) -> tuple[int, int]:
    """Check every rule edited since its last check; returns how many are right and wrong."""
    common = common_filters(connection)
    right = wrong = 0
    for row in connection.execute(_UNCHECKED).all():
        error: str | None = None
        at: int | None = None
        hint: str | None = None
        try:
            ready(row, common)
            right += 1
        except RuleError as found:
            error, at, hint = str(found), found.at, found.hint
            wrong += 1
        except ValueError as found:
            error = str(found)
            wrong += 1
        kept = {
            "rule": row.name,
            "revision": row.revision,
            "error": error,
            "error_at": at,
            "hint": hint,
        }
        connection.execute(_KEEP, kept)
    return right, wrong
