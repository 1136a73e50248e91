"""`tasks.upkeep.sessions`: trading sessions of every market, two years ahead."""

from collections.abc import Iterable, Mapping
from datetime import timedelta

from pydantic import Field
from sqlalchemy import select

from workers.execution import (
    Item,
    Market,
    Work,
    app,
    computing,
    count_words,
    market_sessions,
    sessions_of,
)
from workers.ledger import Options


class SessionsOptions(Options):
    """How much of the calendar to keep."""

    years_ahead: int = Field(2, ge=1, le=5, description="Years ahead")
    days_back: int = Field(400, ge=30, le=4000, description="Days back")


def plan(work: Work[SessionsOptions]) -> Iterable[Item]:
    with work.read() as connection:
        return [Item(mic) for mic in connection.execute(select(Market.mic)).scalars()]


def summary(counts: Mapping[str, int]) -> str:
    """Counts as in: 1,500 sessions of 3 markets, 2 changed."""
    sessions, markets = counts.get("sessions", 0), counts.get("markets", 0)
    known = f"{count_words(sessions, 'session')} of {count_words(markets, 'market')}"
    return f"{known}, {counts.get('changed', 0):,} changed"


@app.task(
    name=__name__,
    options=SessionsOptions,
    plan=plan,
    summary=summary,
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
            with computing():
                rows = sessions_of(item.key, first, last, newest=True)
            if not rows:
                raise ValueError(f"no sessions of {item.key} between {first} and {last} are known")
            known_until = rows[-1]["session_date"]
            with work.done(item, markets=1, sessions=len(rows)) as connection:
                changed = market_sessions.replace(connection, item.key, first, known_until, rows)
                work.count(changed=changed)
