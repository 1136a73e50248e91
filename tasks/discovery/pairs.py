"""Trading pairs of tokens, and which one a token is judged by (pure)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

#: A pool whose price is so many times off the others' is not believed (seen: 4,892 times).
OUTLIER = 5


@dataclass(frozen=True, slots=True)
class Pair:
    """One pool of a token on one exchange, as DexScreener describes it."""

    chain: str
    pool: str
    dex: str | None
    token: str
    symbol: str | None
    name: str | None
    quote_token: str | None
    price_usd: Decimal | None
    liquidity_usd: Decimal | None
    volume_h24: Decimal | None
    price_change_h24: Decimal | None
    market_cap: Decimal | None
    created_at: datetime | None
    url: str | None = None
    buys_h24: int | None = None
    sells_h24: int | None = None
    labels: tuple[str, ...] = field(default=())

    def age(self, now: datetime) -> timedelta | None:
        """How long ago the pool was made; None when that is not known."""
        return None if self.created_at is None else now - self.created_at


def _weighted_median(pairs: list[Pair]) -> Decimal | None:
    """Price at which half of the liquidity lies below; of the pools, when no liquidity is known."""
    priced = sorted((p.price_usd, p.liquidity_usd or Decimal(0)) for p in pairs if p.price_usd)
    total = sum(weight for _, weight in priced)
    if not priced:
        return None
    if not total:
        return priced[(len(priced) - 1) // 2][0]
    passed = Decimal(0)
    for price, weight in priced:
        passed += weight
        if passed * 2 >= total:
            return price
    return priced[-1][0]


def believable(pairs: Iterable[Pair]) -> list[Pair]:
    """Pairs with a price within five times the liquidity-weighted median; all, when none has one."""
    listed = list(pairs)
    middle = _weighted_median(listed)
    if middle is None:
        return listed
    return [
        pair
        for pair in listed
        if pair.price_usd and middle / OUTLIER <= pair.price_usd <= middle * OUTLIER
    ]


def best(pairs: Iterable[Pair]) -> Pair | None:
    """The pair a token is judged by: most liquidity, then volume, then pool address."""

    def rank(pair: Pair) -> tuple[Decimal, Decimal, str]:
        return -_or_less(pair.liquidity_usd), -_or_less(pair.volume_h24), pair.pool

    return min(believable(pairs), key=rank, default=None)


def _or_less(value: Decimal | None) -> Decimal:
    """What is not known counts as less than nothing: an explicit 0 is 0."""
    return Decimal(-1) if value is None else value
