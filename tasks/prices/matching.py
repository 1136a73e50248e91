"""Rules on prices: each session matches once."""

from uuid import UUID

from sqlalchemy import Connection

from tasks.prices.values import Price
from tasks.prices.watch import WATCH, fields_of
from tasks.watches import matching
from tasks.watches.matching import CHANGED, PRICE_DROP, Found


def judge(connection: Connection, run_id: UUID | None, source: str, price: Price) -> tuple[int, int]:
    fields = fields_of(price, source)
    found = Found(
        subject_id=price.symbol,
        occasion=CHANGED if fields["price_drop"] is None else PRICE_DROP,
        occasion_key=f"session {price.session_date}",
        title=price.symbol,
        fields=fields,
        old_price=price.previous_close,
    )
    return matching.judge(connection, run_id, WATCH, [found])
