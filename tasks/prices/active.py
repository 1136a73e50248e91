"""Active symbols: of the watch list, of recent trades and of the schedule; each once, by priority."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import Field
from sqlalchemy import Connection

from tasks.prices import quotes, transactions, watchlist
from tasks.prices.symbols import Symbol
from workers.ledger import Options

#: Priorities of the schedule's symbols and of traded ones; the watch list's default is 100.
OWN_PRIORITY = 100
TRADED_PRIORITY = 200
#: For symbols that are not on the watch list.
DEFAULT_REFRESH = timedelta(days=1)


class ActiveOptions(Options):
    """Which symbols."""

    symbols: list[Symbol] | None = Field(
        None, max_length=5000, description="Only these; left out: watch list and recent trades"
    )
    active_stock_days: int = Field(30, ge=1, le=3650, description="Traded in the last so many days")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A symbol to keep fresh; a lower priority goes first."""

    symbol: str
    priority: int
    refresh_every: timedelta


def merge(*lists: Iterable[Wanted]) -> dict[str, Wanted]:
    merged: dict[str, Wanted] = {}
    for wanted in (one for each in lists for one in each):
        known = merged.get(wanted.symbol, wanted)
        merged[wanted.symbol] = Wanted(
            wanted.symbol,
            min(known.priority, wanted.priority),
            min(known.refresh_every, wanted.refresh_every),
        )
    return merged


def order(wanted: Iterable[Wanted], confirmed: Mapping[str, datetime]) -> list[Wanted]:
    """Most urgent first; within a priority first symbols without a price, then the oldest prices."""

    def urgency(one: Wanted) -> tuple[int, bool, float, str]:
        at = confirmed.get(one.symbol)
        return one.priority, at is not None, at.timestamp() if at else 0.0, one.symbol

    return sorted(wanted, key=urgency)


def select(connection: Connection, own: Iterable[str], traded_days: int, now: datetime) -> list[Wanted]:
    followed = [
        Wanted(row["symbol"], row["priority"], row["refresh_every"])
        for row in watchlist.followed(connection)
    ]
    # The watch list's interval holds for traded symbols too.
    every = {one.symbol: one.refresh_every for one in followed}
    traded = [
        Wanted(symbol, TRADED_PRIORITY, every.get(symbol, DEFAULT_REFRESH))
        for symbol in transactions.traded(connection, traded_days, now)
    ]
    named = [Wanted(symbol, OWN_PRIORITY, every.get(symbol, DEFAULT_REFRESH)) for symbol in own]
    merged = merge(followed, traded, named)
    return order(merged.values(), quotes.confirmed(connection, list(merged)))
