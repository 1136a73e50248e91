"""Due times that fell between the old scheduler's last message and our plan: each schedule runs once.

The run is asked for by a request, as by a person, after beat has planned the row: from then on beat
counts.  Doing it again changes nothing, because a schedule that has a run is left alone.
"""

import threading
from collections.abc import Sequence
from typing import Any

from beat.moving.moves import Moved
from workers.db import Driver, execute

UNPLANNED = """
select count(*) as number from schedule s left join schedule_state st on st.schedule = s.name
 where s.name = any(%(names)s) and st.planned_revision is distinct from s.revision
"""

ASK = """
insert into run_request (action, schedule, note)
select 'run', s.name, 'was due at ' || due.at || ', while it was moved'
  from unnest(%(names)s::text[], %(firsts)s::timestamptz[]) as due(name, at)
  join schedule s on s.name = due.name
  join schedule_state st on st.schedule = s.name
 where s.enabled and due.at < coalesce(st.next_run_at, 'infinity') and due.at <= clock_timestamp()
   and not exists (select from run where schedule = s.name)
   and not exists (select from run_request where schedule = s.name)
returning schedule
"""


def wait_for_plan(connection: Driver, moved: Sequence[Moved], seconds: float) -> bool:
    """Wait until beat has planned every row; False when none did in time."""
    pause = threading.Event()
    names = [one.schedule for one in moved]
    for _ in range(max(1, int(seconds / 0.1))):
        row: Any = execute(connection, UNPLANNED, {"names": names}).fetchone()
        if not row.number:
            return True
        pause.wait(0.1)
    return False


def ask_for_missed(connection: Driver, moved: Sequence[Moved]) -> list[str]:
    """Ask for one run of each schedule whose due time nobody has sent; returns their names."""
    known = [one for one in moved if one.first is not None]
    what = {"names": [one.schedule for one in known], "firsts": [one.first for one in known]}
    return [row.schedule for row in execute(connection, ASK, what).fetchall()]
