"""`token_rule`: the state of each rule for each token, so that only changes are reported."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from decimal import Decimal

from sqlalchemy import Connection, ForeignKey, Index, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from tasks.discovery.tokens import TokenId
from workers.db import Base

#: A rule and a token.
Key = tuple[str, int]


class TokenRule(Base):
    __tablename__ = "token_rule"
    __table_args__ = (
        Index("token_rule_by_token", "token_id"),
        {"comment": "State of each rule for each token: what was reported, the price to compare with."},
    )

    rule: Mapped[str] = mapped_column(
        ForeignKey("rule.name", onupdate="CASCADE", ondelete="CASCADE"),
        primary_key=True,
        comment="Rule",
    )
    token_id: Mapped[TokenId] = mapped_column(primary_key=True, comment="Token")
    fits: Mapped[bool] = mapped_column(
        comment="Whether the rule fitted at the last look, or the token is still within its margin"
    )
    reference_price: Mapped[Decimal | None] = mapped_column(
        comment="Highest price (USD) since the last reported drop; drops are counted from it"
    )
    told: Mapped[int] = mapped_column(
        server_default=text("0"), comment="How often a match was reported"
    )


@dataclass(frozen=True, slots=True)
class Standing:
    fits: bool = False
    reference_price: Decimal | None = None
    told: int = 0


def load(connection: Connection, token_ids: Sequence[int]) -> dict[Key, Standing]:
    rows = connection.execute(select(TokenRule.__table__).where(TokenRule.token_id.in_(token_ids)))
    return {(row.rule, row.token_id): Standing(row.fits, row.reference_price, row.told) for row in rows}


def save(connection: Connection, standings: Mapping[Key, Standing]) -> None:
    """Store states of rules; the caller has locked the tokens."""
    if not standings:
        return
    rows = [
        {"rule": rule, "token_id": token_id, **asdict(one)}
        for (rule, token_id), one in sorted(standings.items())
    ]
    statement = insert(TokenRule).values(rows)
    changes = {field.name: statement.excluded[field.name] for field in fields(Standing)}
    connection.execute(
        statement.on_conflict_do_update(index_elements=["rule", "token_id"], set_=changes)
    )
