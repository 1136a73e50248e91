"""`tasks.prices.backfill`: fetches the sessions of a range that are missing, one call a symbol."""

from collections.abc import Iterable
from datetime import date, datetime

from sqlalchemy import Connection

from tasks.prices import active, bars, fetching, history, needs, ranges, spans
from tasks.prices.active import ActiveOptions
from tasks.prices.markets import market_of
from tasks.prices.ranges import RangeOptions
from tasks.prices.spans import Gap, Span
from tasks.prices.trading_sessions import Calendar
from workers.execution import Item, Work, app


class BackfillOptions(RangeOptions, ActiveOptions):
    """Which symbols, which days, from where."""


def find_gaps(
    connection: Connection, symbols: Iterable[str], span: Span, now: datetime
) -> dict[str, list[Gap]]:
    """Completed sessions of ``span`` that are not stored, of each symbol that has any."""
    calendars: dict[str, Calendar] = {}
    gaps: dict[str, list[Gap]] = {}
    for symbol in symbols:
        mic = market_of(symbol)
        if mic not in calendars:
            calendars[mic] = ranges.calendar_of(connection, mic, span, now)
        last = min(span.last, calendars[mic].last_completed(now) or date.min)
        sessions = calendars[mic].days(span.first, last)
        stored = bars.stored_days(connection, symbol, span.first, span.last)
        if found := spans.find_gaps(sessions, stored):
            gaps[symbol] = found
    return gaps


def plan(work: Work[BackfillOptions]) -> Iterable[Item]:
    """One item a symbol with gaps, from the first missing session to the last.

    After "not found" a symbol that the options do not name rests, as in a refresh.
    """
    options, now = work.options, work.now()
    fetching.require_ready(options.order)
    with work.read() as connection:
        symbols = options.symbols
        if symbols is None:
            wanted = active.select(connection, (), options.active_stock_days, now)
            symbols = [one.symbol for one in wanted]
            unknown = needs.resting(connection, symbols, now, "not_found")
            symbols = [symbol for symbol in symbols if symbol not in unknown]
        span = ranges.span_of(work)
        gaps = find_gaps(connection, dict.fromkeys(symbols), span, now)
    return [
        ranges.item_of(symbol, Span(found[0].first, found[-1].last)) for symbol, found in gaps.items()
    ]


@app.task(name=__name__, options=BackfillOptions, plan=plan, summary=history.summary, **fetching.KIND)
def backfill(work: Work[BackfillOptions]) -> None:
    """Fetch the sessions of a range of days that are missing."""
    fetching.each(work, ranges.fetch_item)
