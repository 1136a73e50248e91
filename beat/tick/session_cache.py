"""Trading sessions of exchanges, read from `market_session` and cached."""

import time
from datetime import UTC, datetime, timedelta

from beat.time.timetable import Session, Sessions
from workers.db import Driver

#: Sessions are read again after this time (seconds); a change of the table replans its schedules.
MAX_AGE = 300.0
#: The same when the last known session is near: a schedule must not end for want of sessions.
MAX_AGE_NEAR_END = 5.0
NEAR_END = timedelta(days=40)

READ = """
select m.timezone, s.session_date, s.open_at, s.close_at
  from market m left join market_session s on s.mic = m.mic
 where m.mic = %(mic)s order by s.session_date
"""


class SessionCache:
    def __init__(self) -> None:
        self._known: dict[str, tuple[float, Sessions]] = {}

    def forget(self) -> None:
        self._known.clear()

    def sessions(self, connection: Driver, mic: str | None) -> Sessions | None:
        """Sessions of ``mic``, or None without a calendar; ValueError when none are known."""
        if mic is None:
            return None
        at, found = self._known.get(mic, (0.0, None))
        if found is None or time.monotonic() - at > _max_age(found):
            rows = connection.execute(READ, {"mic": mic}).fetchall()
            days = tuple(Session(*row[1:]) for row in rows if row[1] is not None)
            if not days:
                raise ValueError(
                    f"no sessions of {mic} are known yet; run the task tasks.upkeep.sessions"
                )
            found = Sessions(rows[0][0], days)
            self._known[mic] = (time.monotonic(), found)
        return found


def _max_age(found: Sessions) -> float:
    ends_soon = found.until < datetime.now(UTC).date() + NEAR_END
    return MAX_AGE_NEAR_END if ends_soon else MAX_AGE
