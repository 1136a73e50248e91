"""Trading pairs of tokens, and which one a token is judged by (pure)."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

#: A pool whose price is so many times off the others' is not believed (seen: 4,892 times).
OUTLIER = 5
#: A pool that holds less has no vote (USD).
DUST = 100


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

    @property
    def trades_h24(self) -> int | None:
        """Trades of 24 hours; None when they are not known."""
        if self.buys_h24 is None and self.sells_h24 is None:
            return None
        return (self.buys_h24 or 0) + (self.sells_h24 or 0)

    def age(self, now: datetime) -> timedelta | None:
        """How long ago the pool was made; None when that is not known."""
        return None if self.created_at is None else now - self.created_at


def _is_live(pair: Pair) -> bool:
    """Whether a pool is worth a vote: not known to be dust, nor known to have had no trade in a day."""
    if pair.liquidity_usd is not None and pair.liquidity_usd < DUST:
        return False
    return pair.trades_h24 != 0 and pair.volume_h24 != 0


def _agreed(pairs: list[Pair]) -> Decimal | None:
    """The middle price of the largest group of pools whose prices are within five times of each other.

    Every live pool has one vote, however much liquidity it claims: claiming costs nothing, and a price
    that is a lie makes the liquidity one too.  Pools that are not live decide only where the votes are
    even, then trades do, then the lower price: liquidity is claimed by lying upwards.
    """
    priced = sorted((p for p in pairs if p.price_usd), key=lambda p: p.price_usd or 0)
    prices = [p.price_usd for p in priced if p.price_usd]

    def near(price: Decimal) -> list[Pair]:
        return priced[bisect_left(prices, price / OUTLIER) : bisect_right(prices, price * OUTLIER)]

    def support(price: Decimal) -> tuple[int, int, int, Decimal]:
        group = near(price)
        trades = sum(pair.trades_h24 or 0 for pair in group)
        return sum(map(_is_live, group)), len(group), trades, -price

    if not prices:
        return None
    group = near(max(prices, key=support))
    voters = [pair.price_usd for pair in group if _is_live(pair)] or [pair.price_usd for pair in group]
    return voters[(len(voters) - 1) // 2]


def believable(pairs: Iterable[Pair]) -> list[Pair]:
    """Pairs with a price within five times the one that most agree on; all, when none has a price."""
    listed = list(pairs)
    middle = _agreed(listed)
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


def oldest(pairs: Iterable[Pair]) -> datetime | None:
    """When the first of a token's pools was made, which is when the token began to trade."""
    return min((pair.created_at for pair in pairs if pair.created_at is not None), default=None)


def _or_less(value: Decimal | None) -> Decimal:
    """What is not known counts as less than nothing: an explicit 0 is 0."""
    return Decimal(-1) if value is None else value
