"""Trading pairs of tokens, and which pair a token takes its values from (pure)."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

#: A pool is ignored when its price differs from the others' by more than this factor (seen: 4,892).
FACTOR = 5
#: A pool needs so much liquidity to have a vote (USD).
MIN_LIQUIDITY = 100


@dataclass(frozen=True, slots=True)
class Pair:
    chain: str
    pool: str
    dex: str | None
    token: str
    symbol: str | None
    name: str | None
    price_usd: Decimal | None
    liquidity_usd: Decimal | None
    volume_h24: Decimal | None
    price_change_h24: Decimal | None
    market_cap: Decimal | None
    created_at: datetime | None
    url: str | None = None
    buys_h24: int | None = None
    sells_h24: int | None = None

    @property
    def trades_h24(self) -> int | None:
        if self.buys_h24 is None and self.sells_h24 is None:
            return None
        return (self.buys_h24 or 0) + (self.sells_h24 or 0)

    def age(self, now: datetime) -> timedelta | None:
        return None if self.created_at is None else now - self.created_at


def _is_live(pair: Pair) -> bool:
    """Whether a pool has a vote: neither known to be tiny nor known to have had no trade in a day."""
    if pair.liquidity_usd is not None and pair.liquidity_usd < MIN_LIQUIDITY:
        return False
    return pair.trades_h24 != 0 and pair.volume_h24 != 0


def _agreed(pairs: list[Pair]) -> Decimal | None:
    """The middle price of the largest group of pools whose prices are within FACTOR of each other.

    Every live pool has one vote, whatever its liquidity: a wrong price makes that wrong too.  Equal
    votes are decided by pools that are not live, then by trades, then by the lower price.
    """
    priced = sorted((p for p in pairs if p.price_usd), key=lambda p: p.price_usd or 0)
    prices = [p.price_usd for p in priced if p.price_usd]

    def near(price: Decimal) -> list[Pair]:
        return priced[bisect_left(prices, price / FACTOR) : bisect_right(prices, price * FACTOR)]

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
    """Pairs whose price is within FACTOR of the agreed one; all pairs when none has a price."""
    listed = list(pairs)
    middle = _agreed(listed)
    if middle is None:
        return listed
    return [
        pair
        for pair in listed
        if pair.price_usd and middle / FACTOR <= pair.price_usd <= middle * FACTOR
    ]


def best(pairs: Iterable[Pair]) -> Pair | None:
    """The pair a token takes its values from: most liquidity, then volume, then pool address."""

    def rank(pair: Pair) -> tuple[Decimal, Decimal, str]:
        return -_or_less(pair.liquidity_usd), -_or_less(pair.volume_h24), pair.pool

    return min(believable(pairs), key=rank, default=None)


def oldest(pairs: Iterable[Pair]) -> datetime | None:
    return min((pair.created_at for pair in pairs if pair.created_at is not None), default=None)


def _or_less(value: Decimal | None) -> Decimal:
    return Decimal(-1) if value is None else value
