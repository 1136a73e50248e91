"""Sessions of an exchange: the last completed one, and whether the market is open (pure)."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

#: Longest time between two sessions of an exchange.
MAX_CLOSURE = timedelta(days=45)


@dataclass(frozen=True, slots=True)
class Session:
    day: date
    open_at: datetime
    close_at: datetime


class Calendar:
    def __init__(self, sessions: Iterable[Session]) -> None:
        self._sessions = sorted(sessions, key=lambda session: session.day)

    @classmethod
    def of(cls, rows: Iterable[Mapping[Any, Any]]) -> Calendar:
        return cls(Session(row["session_date"], row["open_at"], row["close_at"]) for row in rows)

    def last_completed(self, now: datetime) -> date | None:
        """The latest trading day whose session has ended at ``now``; None when none is known."""
        number = bisect_right(self._sessions, now, key=lambda session: session.close_at) - 1
        return self._sessions[number].day if number >= 0 else None

    def expected(self, now: datetime) -> date | None:
        """The session whose bar there should be at ``now``; None when none is known, or none to come.

        Sessions known so far may end before the exchange does: what followed is not known.
        """
        if not self._sessions or self._sessions[-1].close_at <= now:
            return None
        return self.last_completed(now)

    def is_open(self, now: datetime) -> bool:
        number = bisect_right(self._sessions, now, key=lambda session: session.open_at) - 1
        return number >= 0 and now < self._sessions[number].close_at

    def days(self, first: date, last: date) -> list[date]:
        start = bisect_left(self._sessions, first, key=lambda session: session.day)
        end = bisect_right(self._sessions, last, key=lambda session: session.day)
        return [session.day for session in self._sessions[start:end]]
