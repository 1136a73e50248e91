"""History for a bench: runs, batches and permits of weeks, and tables as they are when vacuum lags."""

from __future__ import annotations

from typing import Any

#: Days that the history covers.
DAYS = 30
#: Schedules and upstreams that it belongs to.
SCHEDULES, UPSTREAMS = 1_000, 50
#: Rows of one statement.
SLICE = 250_000

_RUNS = """
with made as (
    insert into run (id, schedule, task, trigger, due_at, state, queue, batch_count, total, done, failed,
                     created_at, started_at, finished_at, deadline_at, counted)
    select gen_random_uuid(), 'old-' || n %% {schedules}, %(task)s, 'schedule', at,
           case when n %% 100 = 0 then 'failed' else 'succeeded' end, 'upkeep', 1, 1,
           (n %% 100 > 0)::int, (n %% 100 = 0)::int, at, at, at, at + interval '6 hours', true
      from (select n, clock_timestamp() - interval '1 minute' - (n::float8 / %(all)s::int) * interval '{days} days' as at
              from generate_series(%(first)s::int, %(last)s::int) n) numbered
    returning id, task, queue, created_at
)
insert into batch (run_id, seq, task, queue, state, send_at, items, total, done, fence,
                   created_at, updated_at, started_at, finished_at)
select id, 0, task, queue, 'done', null, '[{{"key": "all", "state": "done"}}]', 1, 1, 1,
       created_at, created_at, created_at, created_at from made
"""
_PERMITS = """
insert into permit (upstream, granted_at, stamp, settled, status, path)
select 'old_' || n %% {upstreams}, at, at, true, 200, '/page'
  from (select n, clock_timestamp() - interval '1 minute' - (n::float8 / %(all)s::int) * interval '{days} days' as at
          from generate_series(%(first)s::int, %(last)s::int) n) numbered
"""
#: As `total_permits` makes them, which beat continues by two thousand calls at a time.
_TOTALS = """
insert into permit_total (upstream, stamp, total, answered)
select %(upstream)s, stamp, nth, nth
  from (select stamp, row_number() over (order by stamp) as nth from permit
         where upstream = %(upstream)s and stamp < clock_timestamp() - interval '11 minutes') numbered
 where nth %% 100 = 0
    on conflict do nothing
"""


def fill(sql: Any, runs: int, permits: int, task: str) -> None:
    """Add so many ended runs, each with its batch, and settled permits, spread over the days."""
    sql.execute(
        "insert into upstream (name, base_url) select 'old_' || n, 'http://127.0.0.1:1'"
        f" from generate_series(0, {UPSTREAMS - 1}) n on conflict do nothing"
    )
    for day in range(DAYS + 1, 0, -1):
        at = f"clock_timestamp() - interval '{day} days'"
        while sql.execute(f"select make_partition('permit', {at})").fetchone()[0] is not None:
            pass
    _in_slices(sql, _RUNS.format(schedules=SCHEDULES, days=DAYS), runs, task=task)
    # As calls came: their trigger looks at those that come to be in the past.
    sql.execute("alter table permit disable trigger user")
    _in_slices(sql, _PERMITS.format(upstreams=UPSTREAMS, days=DAYS), permits)
    sql.execute("alter table permit enable trigger user; delete from permit_total")
    for number in range(UPSTREAMS):
        sql.execute(_TOTALS, {"upstream": f"old_{number}"})


def _in_slices(sql: Any, statement: str, number: int, **values: Any) -> None:
    for first in range(1, number + 1, SLICE):
        last = min(first + SLICE - 1, number)
        sql.execute(statement, {"first": first, "last": last, "all": number, **values})


def age(sql: Any, task: str, number: int = 50_000) -> None:
    """Tables as they are when vacuum lags, and plans that are made for any value.

    Half of the rows of `run`, `batch` and `permit` are dead, and so are their entries in the indexes of
    what is ready; nothing cleans up while the bench runs.
    """
    for setting in ("autovacuum = off", "plan_cache_mode = force_generic_plan"):
        sql.execute(f"alter system set {setting}")
    sql.execute("select pg_reload_conf()")
    fill(sql, number, number, task)
    sql.execute("analyze")
    for state in ("waiting", "sent", "running", "done"):
        ready = state in {"waiting", "sent"}
        sql.execute(
            "update batch set state = %s, send_at = %s, lease_until = %s",
            (state, "-infinity" if ready else None, "infinity" if state == "running" else None),
        )
    sql.execute("update run set counted = false")
    sql.execute("update run set counted = true")
    sql.execute("update permit set stamp = stamp - interval '1 second'")
