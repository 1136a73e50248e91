"""What rules are asked about tokens: new ones, and once more when one comes to fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import Connection

from tasks.discovery.pairs import Pair
from tasks.watches import matching
from tasks.watches.matching import CHANGED, NEW, PRICE_DROP, Found


@dataclass(frozen=True, slots=True)
class Seen:
    """A token as a run saw it."""

    token_id: int
    is_new: bool
    key: str
    pair: Pair
    old_price: Decimal | None
    now: datetime


def judge(connection: Connection, run_id: UUID | None, seen: Sequence[Seen]) -> tuple[int, int]:
    """Ask the rules about these tokens; how many matches and notices that made."""
    return matching.judge(connection, run_id, "token", [_found(one) for one in seen])


def _found(one: Seen) -> Found:
    pair, age = one.pair, one.pair.age(one.now)
    drop = matching.dropped(one.old_price, pair.price_usd)
    fell = drop["price_drop"] is not None
    occasion = NEW if one.is_new else PRICE_DROP if fell else CHANGED
    return Found(
        subject_id=str(one.token_id),
        occasion=occasion,
        # A rule hears of a token once, however often it goes on fitting; of a lower price each day.
        occasion_key=f"{PRICE_DROP} {one.now:%Y-%m-%d}" if occasion == PRICE_DROP else "fits",
        title=pair.symbol or pair.name or one.key,
        fields={
            "symbol": pair.symbol,
            "name": pair.name,
            "chain": pair.chain,
            "price": pair.price_usd,
            "market_cap": pair.market_cap,
            "volume": pair.volume_h24,
            "liquidity": pair.liquidity_usd,
            "price_change": pair.price_change_h24,
            "age_hours": None if age is None else age.total_seconds() / 3600,
            **drop,
        },
        url=pair.url,
        old_price=one.old_price if fell else None,
    )
