"""Work for the stack on a real engine, and what must be true of it whatever happened meanwhile."""

from __future__ import annotations

import json
import os

from tests.support.engine import Engine

#: 50 schedules of a harmless kind, each due every 5 seconds: a run each tenth of a second.
LOAD = """
insert into schedule (name, task, every, catch_up, overlap, note, starts_at)
select 'load-' || lpad(i::text, 2, '0'), 'tasks.watches.send', '5 seconds', 'all', 'allow_all', 'load',
       now() + i * interval '100 milliseconds'
  from generate_series(1, 50) i
on conflict (name) do nothing
"""
#: Schedules, due times with two runs, gaps in the grid, runs that are open although they were due 20 s ago.
VERDICT = """
with r as (select schedule, due_at, state, due_at - lag(due_at) over (partition by schedule order by due_at) as step
             from run where schedule like 'load-%' and trigger = 'schedule')
select json_build_object('schedules', count(distinct schedule), 'runs', count(*),
    'twice', count(*) - count(distinct (schedule, due_at)), 'gaps', count(*) filter (where step <> interval '5 seconds'),
    'open', count(*) filter (where state in ('due', 'running') and due_at < now() - interval '20 seconds'),
    'not succeeded', count(*) filter (where state not in ('due', 'running', 'succeeded')))
  from r
"""
BEHIND = """
select count(*) from (select max(due_at) as last from run where schedule like 'load-%' group by schedule) s
 where last < now() - interval '8 seconds'
"""
OPEN_LATE = """
select count(*) from run where schedule like 'load-%' and state in ('due', 'running')
   and due_at < now() - interval '6 seconds'
"""


def verdict(engine: Engine) -> dict[str, int]:
    found: dict[str, int] = json.loads(engine.sql(VERDICT))
    return found


def caught_up(engine: Engine) -> bool:
    return engine.sql(BEHIND) == "0" and engine.sql(OPEN_LATE) == "0"


def put_under_load(engine: Engine, runs: int = 200) -> None:
    """The stack is up and has done so many runs of the load."""
    if not engine.containers("beat"):
        engine.up()
    engine.sql(LOAD)
    engine.eventually(lambda: verdict(engine)["runs"] > runs, 120)


def is_busy() -> bool:
    """Whether this machine does other things besides: no time says anything then."""
    return os.getloadavg()[0] > 2 * (os.cpu_count() or 1)
