"""Whether a symbol needs a call: `judge` is pure, `learn` reads what it needs in a few statements."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import takewhile
from typing import Literal

from sqlalchemy import Connection

from tasks.prices import bars, outcomes, quotes
from tasks.prices.markets import market_of
from tasks.prices.trading_sessions import MAX_CLOSURE, Calendar
from workers.execution import market_sessions

Need = Literal["bars", "price"]

#: After "not found" a symbol rests, longer each time in a row.
REST = timedelta(hours=6)
RESTS = (REST, timedelta(days=1), timedelta(days=7))
#: After "stale": late bars usually come the same evening, those of a delisted share never.
STALE_REST = timedelta(hours=1)
STALE_RESTS = (STALE_REST, timedelta(hours=2), timedelta(hours=6))


@dataclass(frozen=True, slots=True)
class Known:
    latest: date | None = None
    confirmed_at: datetime | None = None
    rests_until: datetime | None = None


def judge(known: Known, calendar: Calendar, refresh_every: timedelta, now: datetime) -> Need | None:
    """What to ask for, or None when what is stored is fresh enough.

    Bars when the last completed session is not stored, or, where no sessions are known, when the price
    is a day old; the price when it is older than ``refresh_every`` while the market is open.
    """
    if known.rests_until is not None and now < known.rests_until:
        return None
    session = calendar.expected(now)
    if known.latest is None:
        return "bars"
    if session is None:
        day_old = known.confirmed_at is None or now - known.confirmed_at >= timedelta(days=1)
        return "bars" if day_old else None
    if known.latest < session:
        return "bars"
    if not calendar.is_open(now):
        return None
    if known.confirmed_at is None or now >= known.confirmed_at + refresh_every:
        return "price"
    return None


def rest_after(outcomes_: Sequence[str]) -> timedelta:
    """How long a symbol rests after these outcomes, the newest first."""
    if not outcomes_ or outcomes_[0] == "ok":
        return timedelta(0)
    rests = STALE_RESTS if outcomes_[0] == "stale" else RESTS
    times = len(list(takewhile(lambda outcome: outcome == outcomes_[0], outcomes_)))
    return rests[min(times, len(rests)) - 1]


def resting(
    connection: Connection, symbols: Sequence[str], now: datetime, *after: str
) -> dict[str, datetime]:
    """Symbols that rest at ``now`` (``after`` these outcomes, or any), and until when."""
    latest = outcomes.latest(connection, symbols, now - RESTS[-1], len(RESTS))
    return {
        symbol: at + rest_after(ended)
        for symbol, (at, ended) in latest.items()
        if now < at + rest_after(ended) and (not after or ended[0] in after)
    }


def learn(
    connection: Connection, symbols: Sequence[str], now: datetime
) -> dict[str, tuple[Known, Calendar]]:
    """What is stored of each symbol, and its exchange's sessions, in a fixed number of statements."""
    latest = bars.latest(connection, symbols)
    confirmed = quotes.confirmed(connection, symbols)
    rests = resting(connection, symbols, now)
    first, last = (now - MAX_CLOSURE).date(), (now + MAX_CLOSURE).date()
    sessions = market_sessions.load(connection, map(market_of, symbols), first, last)
    calendars = {mic: Calendar.of(rows) for mic, rows in sessions.items()}
    return {
        symbol: (
            Known(latest.get(symbol), confirmed.get(symbol), rests.get(symbol)),
            calendars[market_of(symbol)],
        )
        for symbol in symbols
    }
