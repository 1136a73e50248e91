"""Prices from a CSV file of daily bars: works offline, and answers the same every time.

Columns Ticker, Date, Open, High, Low, Close, Volume (any others are ignored); gzip by its ending.
"""

from __future__ import annotations

import csv
import gzip
from collections import defaultdict
from datetime import date
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from pathlib import Path

from tasks.prices.bars import Bar
from tasks.prices.quotes import Price
from workers.errors import NotFound, SettingMissing
from workers.settings import settings

NAME = "replay"


@lru_cache(maxsize=4)
def read(path: Path) -> dict[str, list[Bar]]:
    """Bars by symbol, ascending; rows that are none are passed over."""
    found: dict[str, list[Bar]] = defaultdict(list)
    with (gzip.open if path.suffix == ".gz" else open)(path, "rt", newline="") as lines:
        for row in csv.DictReader(lines):
            try:
                bar = Bar(
                    date.fromisoformat(row["Date"]),
                    Decimal(row["Open"]),
                    Decimal(row["High"]),
                    Decimal(row["Low"]),
                    Decimal(row["Close"]),
                    int(Decimal(row["Volume"])),
                )
            except (KeyError, TypeError, ValueError, InvalidOperation):
                continue
            found[row["Ticker"]].append(bar)
    for bars in found.values():
        bars.sort(key=lambda bar: bar.date)
    return dict(found)


def fetch_bars(symbol: str) -> list[Bar]:
    """All bars of ``symbol`` in the file; NotFound when it has none."""
    path = settings().replay_csv
    if path is None:
        raise SettingMissing("WATCHKEEPER_REPLAY_CSV", "the replay source reads a file of daily bars")
    bars = read(path).get(symbol)
    if not bars:
        raise NotFound(NAME, f"the file has no symbol {symbol}")
    return bars


def fetch_price(symbol: str) -> Price:
    """The last close of ``symbol`` in the file."""
    last = fetch_bars(symbol)[-1]
    return Price(symbol, last.close, last.date, last.volume)
