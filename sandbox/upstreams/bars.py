"""Daily bars for the imitations of price sources: recorded ones, and made-up ones for more symbols.

Recorded bars (sandbox/data) are replayed: the last recorded session falls on the latest weekday whose
New York session is over, the one before on the weekday before, and so on.  Holidays are not
left out.  So the prices of a recorded symbol are real and move one session on each weekday's end; their dates
are not.  Made-up bars are a function of symbol and date: a day's bar never changes.
"""

import csv
import gzip
import math
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from sandbox.upstreams.chance import chance

DATA = Path(__file__).parents[1] / "data" / "daily_bars.csv.gz"
MADE_UP = ("AMZN", "GOOGL", "TSLA", "NVDA", "META", "BRK.B", "TSCO.LON")
#: How many made-up bars there are.
MADE = 400
#: By this hour (UTC) New York has closed, summer or winter.
CLOSED = 21


class Row(NamedTuple):
    open: float
    high: float
    low: float
    close: float
    volume: int


@lru_cache(maxsize=1)
def recorded() -> dict[str, list[Row]]:
    """Recorded bars by symbol, ascending."""
    found: dict[str, list[Row]] = {}
    with gzip.open(DATA, "rt", newline="") as lines:
        for row in csv.DictReader(lines):
            first, high, low, close = (float(row[name]) for name in ("Open", "High", "Low", "Close"))
            found.setdefault(row["Ticker"], []).append(
                Row(first, high, low, close, int(float(row["Volume"])))
            )
    return found


@lru_cache(maxsize=2)
def sessions(last: date, count: int) -> tuple[date, ...]:
    """The ``count`` weekdays up to ``last``, ascending."""
    found: list[date] = []
    day = last
    while len(found) < count:
        if day.weekday() < 5:
            found.append(day)
        day -= timedelta(days=1)
    return tuple(found[::-1])


def last_day(now: datetime) -> date:
    """The latest day whose session is over at ``now`` (UTC), if it is a weekday."""
    return now.date() if now.hour >= CLOSED else now.date() - timedelta(days=1)


def _close(symbol: str, day: int) -> float:
    base, phase = 50 + 400 * chance("start", symbol), 6 * chance("phase", symbol)
    noise = 0.02 * (chance(symbol, day) - 0.5)
    return base * math.exp(0.25 * math.sin(day / 90 + phase) + 0.06 * math.sin(day / 11) + noise)


def _made_up(symbol: str, day: date) -> Row:
    number = day.toordinal()
    first, close = _close(symbol, number - 1), _close(symbol, number)
    high, low = max(first, close) * 1.01, min(first, close) * 0.99
    return Row(first, high, low, close, int(1e6 * (1 + 9 * chance("volume", symbol, number))))


def series(symbol: str, now: float) -> dict[date, Row] | None:
    """All sessions of a symbol that are over at ``now`` (epoch seconds), ascending; None: unknown."""
    last = last_day(datetime.fromtimestamp(now, UTC))
    rows = recorded().get(symbol)
    if rows is not None:
        return dict(zip(sessions(last, len(rows)), rows, strict=True))
    if symbol in MADE_UP:
        return {day: _made_up(symbol, day) for day in sessions(last, MADE)}
    return None
