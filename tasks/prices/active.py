"""Active symbols: watch list, what was traded lately, the schedule's own; each once, by priority."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from tasks.prices import quotes, transactions, watchlist

#: Where a schedule's own symbols and traded ones stand among the watch list's (usually 100).
OWN_PRIORITY = 100
TRADED_PRIORITY = 200
#: Oldest that the price of a symbol may be that no watch list names.
USUAL_REFRESH = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A symbol to keep fresh."""

    symbol: str
    priority: int
    refresh_every: timedelta


def merge(*lists: Iterable[Wanted]) -> dict[str, Wanted]:
    """Each symbol once, with the most urgent of what the lists say of it."""
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
    """The most urgent first; among equals what was never priced, then what was so longest ago."""

    def urgency(one: Wanted) -> tuple[int, bool, float, str]:
        at = confirmed.get(one.symbol)
        return one.priority, at is not None, at.timestamp() if at else 0.0, one.symbol

    return sorted(wanted, key=urgency)


def select(connection: Connection, own: Iterable[str], traded_days: int, now: datetime) -> list[Wanted]:
    """Symbols to keep fresh, most urgent first."""
    followed = [
        Wanted(row["symbol"], row["priority"], row["refresh_every"])
        for row in watchlist.listed(connection)
    ]
    # What a person said of a symbol's interval holds, for a traded one too.
    every = {one.symbol: one.refresh_every for one in followed}
    traded = [
        Wanted(symbol, TRADED_PRIORITY, every.get(symbol, USUAL_REFRESH))
        for symbol in transactions.traded(connection, traded_days, now)
    ]
    named = [Wanted(symbol, OWN_PRIORITY, every.get(symbol, USUAL_REFRESH)) for symbol in own]
    merged = merge(followed, traded, named)
    return order(merged.values(), quotes.confirmed(connection, list(merged)))
