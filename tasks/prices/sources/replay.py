"""Prices from a CSV file of daily bars: works offline, and gives the same response every time.

Columns Ticker, Date, Open, High, Low, Close, Volume in any order and case; others are passed over.  A
file that ends in .gz is unpacked.  Date is a day, or an instant with its zone, whose date as written is
the session's.  Of several rows a day the one stamped 21:00 UTC counts (many feeds mark the end of the
day so), else the newest.
"""

import gzip
import zlib
from collections.abc import Iterable
from datetime import date, datetime, time
from functools import lru_cache
from pathlib import Path

from tasks.prices import values
from tasks.prices.bars import Bar, parse_row
from tasks.prices.quotes import last_close
from tasks.prices.sources.source_errors import NotCovered, SettingRefused
from tasks.prices.values import Price
from workers.errors import BrokenResponse, NotFound, SettingMissing
from workers.execution import computing, settings
from workers.upstreams import UpstreamClient

NAME = "replay"
VARIABLE = "WATCHKEEPER_REPLAY_CSV"
#: Stamp of a day's last row where rows have times.
DAY_END = time(21, 0)

Recorded = dict[str, list[Bar]]


def ready() -> Path:
    path = settings().replay_csv
    if path is None:
        raise SettingMissing(VARIABLE, "the replay source reads a CSV file of daily bars")
    return path


def recorded() -> Recorded:
    """Bars by symbol of the file that is set; read again when it changes."""
    path = ready()
    try:
        return _read(path, path.stat().st_mtime_ns)
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        why = getattr(error, "strerror", None) or type(error).__name__
        raise SettingRefused(VARIABLE, f"{path.name} cannot be read ({why})") from None
    except BrokenResponse as error:
        raise SettingRefused(VARIABLE, f"{path.name} {error.detail}") from None


@lru_cache(maxsize=2)
def _read(path: Path, _changed: int) -> Recorded:
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8-sig", newline="") as lines, computing():
        return parse(lines.read())


def parse(text: str) -> Recorded:
    """Bars by symbol, ascending; a row that is no bar is passed over, BrokenResponse without any."""
    points: dict[str, dict[date, list[tuple[datetime, Bar]]]] = {}
    for row in values.rows(text, NAME):
        stamp, bar = values.moment(row.get("date")), parse_row(row)
        symbol = (row.get("ticker") or row.get("symbol") or "").strip().upper()
        if stamp is not None and bar is not None and symbol:
            points.setdefault(symbol, {}).setdefault(bar.date, []).append((stamp, bar))
    if not points:
        raise BrokenResponse(NAME, "holds no row with ticker, date and close")
    return {symbol: [_last(days[day]) for day in sorted(days)] for symbol, days in points.items()}


def _last(points: Iterable[tuple[datetime, Bar]]) -> Bar:
    """Of one day's rows the one stamped as the day's end, else the newest."""
    return max(points, key=lambda point: (point[0].time() == DAY_END, point[0]))[1]


def fetch_bars(_client: UpstreamClient, symbol: str, first: date | None, today: date) -> list[Bar]:
    """Bars of ``symbol`` from ``first`` to ``today``; NotCovered when the file has none at all."""
    bars = recorded().get(symbol)
    if not bars:
        raise NotCovered(NAME, f"the file has no symbol {symbol}")
    return [bar for bar in bars if (first is None or first <= bar.date) and bar.date <= today]


def fetch_price(client: UpstreamClient, symbol: str, today: date) -> Price:
    bars = fetch_bars(client, symbol, None, today)
    if not bars:
        raise NotFound(NAME, f"the file has no price of {symbol} before {today}")
    return last_close(symbol, bars)
