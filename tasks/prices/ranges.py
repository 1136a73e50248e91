"""What history and backfill share: options for a range of days, and fetching one symbol's bars."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Self

from pydantic import Field, model_validator
from sqlalchemy import Connection

from tasks.prices import bars, fetching, outcomes, spans
from tasks.prices.bars import Bar
from tasks.prices.fetching import SourceOptions
from tasks.prices.markets import NOWHERE, market_of
from tasks.prices.sources.source_errors import NoBars
from tasks.prices.spans import EARLIEST, Span
from tasks.prices.trading_sessions import MAX_CLOSURE, Calendar
from workers.errors import OptionsError, QuotaSpent, QuotaWait, SettingMissing, UpstreamError
from workers.execution import Item, Work, market_sessions, sessions_of

#: Bars cover a range when they begin and end at most so far from its ends (holidays, delays).
MARGIN = timedelta(days=6)


class RangeOptions(SourceOptions):
    """A range of days; what is left out slides with the day of the run."""

    duration_days: int | None = Field(
        None, ge=1, le=20_000, description="Days back from the end (30); goes before start_date"
    )
    start_date: date | None = Field(
        None, ge=EARLIEST, description="First day; left out: 30 days before the end"
    )
    end_date: date | None = Field(
        None, ge=EARLIEST, description="Last day; left out: the day of the run"
    )

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.end_date is not None:
            self.span(self.end_date)
        return self

    def span(self, today: date) -> Span:
        """The range on ``today``; ValueError when it ends before it begins."""
        return spans.span_of(
            today,
            duration_days=self.duration_days,
            start_date=self.start_date,
            end_date=self.end_date,
        )


def final(found: Iterable[Bar], calendar: Calendar, now: datetime) -> list[Bar]:
    last = calendar.expected(now) or now.date() - timedelta(days=1)
    return [bar for bar in found if bar.date <= last]


def calendar_of(connection: Connection, mic: str, span: Span, now: datetime) -> Calendar:
    """Sessions of ``mic`` from before ``span`` until now; computed where the table has none."""
    first, last = min(span.first, now.date()) - 2 * MARGIN, (now + MAX_CLOSURE).date()
    stored = Calendar.of(market_sessions.load(connection, [mic], first, last)[mic])
    reaches = stored.days(first, first + 2 * MARGIN) and stored.expected(now)
    if reaches or mic == NOWHERE:
        return stored
    return Calendar.of(sessions_of(mic, first, last))


def span_of(work: Work[Any]) -> Span:
    """The range of a run on its due date, or OptionsError."""
    try:
        span: Span = work.options.span(work.due_at.date())
    except ValueError as error:
        raise OptionsError(str(error)) from None
    return span


def completed(calendar: Calendar, span: Span, now: datetime) -> Span | None:
    """From the first to the last session of ``span`` that has ended; None when there is none.

    Where no sessions are known, the days before today.
    """
    last = calendar.expected(now)
    if last is not None:
        days = calendar.days(span.first, min(span.last, last))
        return Span(days[0], days[-1]) if days else None
    until = min(span.last, now.date() - timedelta(days=1))
    return Span(span.first, until) if span.first <= until else None


def item_of(symbol: str, span: Span) -> Item:
    return Item(symbol, {"first": span.first.isoformat(), "last": span.last.isoformat()})


@dataclass(frozen=True, slots=True)
class Taken:
    """What a source gave of a range, from ``first`` to ``last``; without bars: already stored."""

    source: str
    first: date
    last: date
    bars: Sequence[Bar] = ()

    def covers(self, span: Span) -> bool:
        return self.first <= span.first + MARGIN and self.last >= span.last - MARGIN


def fetch_item(work: Work[Any], item: Item) -> None:
    symbol, now = item.key, work.now()
    asked = Span(date.fromisoformat(item.data["first"]), date.fromisoformat(item.data["last"]))
    with work.read() as connection:
        calendar = calendar_of(connection, market_of(symbol), asked, now)
    span = completed(calendar, asked, now)
    if span is None:
        with work.done(item, closed=1) as connection:
            detail = f"no session from {asked.first} to {asked.last} has ended"
            outcomes.put(connection, work.run_id, symbol, "ok", detail=detail)
        return
    try:
        taken = fetch_whole(work, item, span, now)
    except NoBars as error:
        # Its market had sessions: that there is no bar does not mean that there is no such symbol.
        raise UpstreamError(error.upstream, error.detail) from error
    detail = spans.label(taken.source, symbol, asked)
    with work.done(item, fetched=1) as connection:
        work.count(bars=bars.upsert(connection, symbol, taken.source, taken.bars))
        if not taken.covers(span):
            work.count(incomplete=1)
            detail += f" only from {taken.first} to {taken.last}: it gives no more"
        outcomes.put(connection, work.run_id, symbol, "ok", source=taken.source, detail=detail)


def fetch_whole(work: Work[Any], item: Item, span: Span, now: datetime) -> Taken:
    """Bars of the first source that covers the range, else of the one that covers most of it."""
    order = work.options.order
    begun = item.data.get("begun")
    if begun:
        taken = Taken(begun[0], date.fromisoformat(begun[1]), date.fromisoformat(begun[2]))
    else:
        taken = _fetch(work, item, order, span, now)
    rest = order[order.index(taken.source) + 1 :]
    if taken.covers(span) or not rest:
        return taken
    try:
        more = _fetch(work, item, rest, span, now)
    except QuotaWait as wait:
        if wait.blocked:
            return taken
        _begin(work, item, taken)
        raise
    except (UpstreamError, SettingMissing, QuotaSpent):
        return taken
    return more if more.last - more.first > taken.last - taken.first else taken


def _fetch(work: Work[Any], item: Item, order: Sequence[str], span: Span, now: datetime) -> Taken:
    def within(found: list[Bar]) -> list[Bar]:
        return [bar for bar in found if span.first <= bar.date <= span.last]

    source, kept = fetching.fetch_bars(work, item, order, span.first, now.date(), within)
    return Taken(source, kept[0].date, kept[-1].date, kept)


def _begin(work: Work[Any], item: Item, taken: Taken) -> None:
    if not taken.bars:
        return
    begun = [taken.source, taken.first.isoformat(), taken.last.isoformat()]
    with work.save(item, begun=begun) as connection:
        work.count(bars=bars.upsert(connection, item.key, taken.source, taken.bars))
