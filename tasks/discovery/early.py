"""Who bought a token early, and with what gain (pure)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

#: A first price near 0 makes gains unbounded (percent).
MAX_GAIN = Decimal(1_000_000)


@dataclass(frozen=True, slots=True)
class Trade:
    """One trade of a token in its pool, seen from the token: ``amount`` tokens for ``usd``."""

    wallet: str
    is_buy: bool
    amount: Decimal
    usd: Decimal
    at: datetime


@dataclass(frozen=True, slots=True)
class Buyer:
    wallet: str
    first_at: datetime
    bought_usd: Decimal
    gain_pct: Decimal


@dataclass(frozen=True, slots=True)
class Reach:
    """Whether the trades cover any of the window; ``note`` says what is missing of it.

    ``whole``: they are all of the window's, so that who is not among them was not early.
    """

    covered: bool
    note: str | None = None
    whole: bool = True


def reach(made_at: datetime, window: timedelta, oldest: datetime | None) -> Reach:
    """How far trades back to ``oldest`` (None: all trades) cover the window after ``made_at``."""
    if oldest is None or oldest <= made_at:
        return Reach(covered=True)
    shown = f"{oldest:%Y-%m-%d %H:%M} UTC"
    if oldest >= made_at + window:
        return Reach(covered=False, note=f"early trades are out of reach: none before {shown} is given")
    note = f"a part of the early trades is out of reach: none before {shown}"
    return Reach(covered=True, note=note, whole=False)


def buyers(
    trades: Iterable[Trade], made_at: datetime, window: timedelta, min_profit_pct: float
) -> list[Buyer]:
    """Wallets that bought within ``window`` and gained at least ``min_profit_pct``, the best first.

    The gain counts what was sold, at its price, and what is still held, at the last trade's price; of
    trades at the same time the one given last is the last.  Sales of more than was bought here (tokens
    that came from elsewhere) count in proportion.
    """
    ordered = sorted(trades, key=lambda trade: trade.at)
    priced = [trade for trade in ordered if trade.amount > 0 and trade.usd > 0]
    if not priced:
        return []
    price = priced[-1].usd / priced[-1].amount
    by_wallet: dict[str, list[Trade]] = {}
    for trade in priced:
        by_wallet.setdefault(trade.wallet, []).append(trade)
    until = made_at + window
    found = (_buyer(wallet, own, until, price) for wallet, own in by_wallet.items())
    least = Decimal(str(min_profit_pct))
    kept = [buyer for buyer in found if buyer is not None and buyer.gain_pct >= least]
    return sorted(kept, key=lambda buyer: (-buyer.gain_pct, buyer.wallet))


def _buyer(wallet: str, trades: Sequence[Trade], until: datetime, price: Decimal) -> Buyer | None:
    buys = [trade for trade in trades if trade.is_buy]
    if not buys or buys[0].at > until:
        return None
    zero = Decimal(0)
    bought, spent = sum((t.amount for t in buys), zero), sum((t.usd for t in buys), zero)
    sold = sum((t.amount for t in trades if not t.is_buy), zero)
    got = sum((t.usd for t in trades if not t.is_buy), zero)
    if sold > bought:
        got, sold = got * bought / sold, bought
    gain = ((got + (bought - sold) * price) / spent - 1) * 100
    return Buyer(wallet, buys[0].at, spent, min(gain, MAX_GAIN).quantize(Decimal("0.01")))


def score(gains_pct: Iterable[Decimal]) -> Decimal:
    """Score from 0 to 100: each token that doubled halves what is missing to 100 (50, 75, …)."""
    missing = Decimal(1)
    for gain in gains_pct:
        missing /= 1 + max(gain, Decimal(0)) / 100
    return (100 * (1 - missing)).quantize(Decimal("0.01"))
