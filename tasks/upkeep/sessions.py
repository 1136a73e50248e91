"""`tasks.upkeep.sessions`: trading sessions of every market, two years ahead."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import Any

from pydantic import Field
from sqlalchemy import select

from workers import market_sessions
from workers.app import app
from workers.kinds import Options
from workers.markets import Market
from workers.work import Item, Work


class SessionsOptions(Options):
    """How much of the calendar to keep."""

    years_ahead: int = Field(2, ge=1, le=5, description="Years ahead")
    days_back: int = Field(400, ge=30, le=4000, description="Days back")


def sessions_of(mic: str, first: date, last: date) -> list[dict[str, Any]]:
    """Sessions of ``mic`` from exchange-calendars: holidays, early and special closes included."""
    from exchange_calendars import get_calendar

    calendar = get_calendar(mic, start=first.isoformat(), end=last.isoformat())
    return [
        {
            "mic": mic,
            "session_date": day.date(),
            "open_at": row["open"].to_pydatetime(),
            "close_at": row["close"].to_pydatetime(),
        }
        for day, row in calendar.schedule.iterrows()
    ]


def plan(work: Work[SessionsOptions]) -> Iterable[Item]:
    """One item a market."""
    with work.read() as connection:
        return [Item(mic) for mic in connection.execute(select(Market.mic)).scalars()]


def summary(counts: Mapping[str, int]) -> str:
    """Counts as in: 1,500 sessions of 3 markets."""
    return f"{counts.get('sessions', 0):,} sessions of {counts.get('markets', 0)} markets"


@app.task(
    name=__name__,
    options=SessionsOptions,
    plan=plan,
    summary=summary,
    queue="upkeep",
    batch_size=100,
    min_every=timedelta(hours=1),
)
def sessions(work: Work[SessionsOptions]) -> None:
    """Keep the trading sessions of every market for two years ahead."""
    today = work.now().date()
    first = today - timedelta(days=work.options.days_back)
    last = today + timedelta(days=366 * work.options.years_ahead)
    for item in work.items():
        with work.attempt(item):
            rows = sessions_of(item.key, first, last)
            with work.done(item, markets=1, sessions=len(rows)) as connection:
                market_sessions.upsert(connection, rows)
