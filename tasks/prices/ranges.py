"""What history and backfill share: options that mean a range of days, and fetching one symbol's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Self

from pydantic import Field, model_validator
from sqlalchemy import Connection

from tasks.prices import bars, fetching, outcomes, spans
from tasks.prices.bars import Bar
from tasks.prices.fetching import SourceOptions
from tasks.prices.sessions import Calendar, Session
from tasks.prices.spans import Span
from tasks.prices.symbols import market_of
from tasks.upkeep.sessions import sessions_of
from workers import market_sessions
from workers.errors import NotFound, OptionsError, QuotaSpent, SettingMissing, UpstreamError
from workers.work import Item, Work

#: A range counts as covered when its first bar is at most so long after its first day (holidays).
MARGIN = timedelta(days=6)


class RangeOptions(SourceOptions):
    """A range of days; what is left out slides with the day of the run."""

    duration_days: int | None = Field(
        None, ge=1, le=20_000, description="Days back from the end (30); goes before start_date"
    )
    start_date: date | None = Field(None, description="First day; left out: 30 days before the end")
    end_date: date | None = Field(None, description="Last day; left out: the day of the run")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.end_date is not None:
            self.span(self.end_date)
        return self

    def span(self, today: date) -> Span:
        """The range that is meant on ``today``; ValueError when it would end before it begins."""
        return spans.span_of(
            today,
            duration_days=self.duration_days,
            start_date=self.start_date,
            end_date=self.end_date,
        )


def final(found: Iterable[Bar], calendar: Calendar, now: datetime) -> list[Bar]:
    """Bars of completed sessions; a day still being traded is not its session's bar."""
    last = calendar.last_completed(now) or now.date()
    return [bar for bar in found if bar.date <= last]


def calendar_of(connection: Connection, mic: str, first: date, last: date) -> Calendar:
    """Sessions of ``mic`` from ``first`` to ``last``; computed where table `market_session` ends."""
    stored = Calendar.of(market_sessions.load(connection, [mic], first, last)[mic])
    reaches_back = stored.days(first, min(first + 2 * MARGIN, last))
    if reaches_back or last - first < 2 * MARGIN:
        return stored
    return Calendar(
        Session(row["session_date"], row["open_at"], row["close_at"])
        for row in sessions_of(mic, first, last)
    )


def span_of(work: Work[Any]) -> Span:
    """The range that a run's options mean on the day it stands for, or OptionsError."""
    try:
        span: Span = work.options.span(work.due_at.date())
    except ValueError as error:
        raise OptionsError(str(error)) from None
    return span


def item_of(symbol: str, span: Span) -> Item:
    """One symbol's range, to be fetched."""
    return Item(symbol, {"first": span.first.isoformat(), "last": span.last.isoformat()})


def fetch_item(work: Work[Any], item: Item) -> None:
    """Fetch and store one symbol's range with its outcome."""
    symbol, now, order = item.key, work.now(), work.options.order
    span = Span(date.fromisoformat(item.data["first"]), date.fromisoformat(item.data["last"]))
    with work.read() as connection:
        around = Span(span.first - 2 * MARGIN, max(span.last, now.date()) + MARGIN)
        calendar = calendar_of(connection, market_of(symbol), around.first, around.last)
    if not calendar.days(span.first, span.last) and calendar.on_or_before(span.last):
        with work.done(item, closed=1):
            return
    try:
        source, found = fetch_whole(work, order, symbol, span, now)
    except NotFound as error:
        with work.done(item, not_found=1) as connection:
            outcomes.put(connection, work.run_id, symbol, "not_found", detail=error.detail)
        return
    except QuotaSpent as error:
        if len(order) == 1:
            raise
        work.defer(item, reason=str(error))
        return
    kept = [bar for bar in final(found, calendar, now) if span.first <= bar.date <= span.last]
    if not kept:
        raise NotFound(source, f"it has no bars of {symbol} from {span.first} to {span.last}")
    detail = spans.label(source, symbol, span)
    with work.done(item, fetched=1) as connection:
        work.count(bars=bars.upsert(connection, symbol, source, kept))
        if not covers(kept, span):
            work.count(incomplete=1)
            detail += f" begins {kept[0].date}: it gives no more"
        outcomes.put(connection, work.run_id, symbol, "ok", source=source, detail=detail)


def covers(found: Sequence[Bar], span: Span) -> bool:
    """Whether the bars reach back to the beginning of the range."""
    return bool(found) and found[0].date <= span.first + MARGIN


def fetch_whole(
    work: Work[Any], order: Sequence[str], symbol: str, span: Span, now: datetime
) -> tuple[str, list[Bar]]:
    """Bars of the first source that covers the range, else of the one that reaches back furthest."""
    source, found = fetching.fetch_bars(work.door, order, symbol, span.first, now.date())
    rest = order[order.index(source) + 1 :]
    if covers(found, span) or not rest:
        return source, found
    try:
        other, more = fetching.fetch_bars(work.door, rest, symbol, span.first, now.date())
    except (UpstreamError, SettingMissing, QuotaSpent):
        return source, found
    further = more and (not found or more[0].date < found[0].date)
    return (other, more) if further else (source, found)
