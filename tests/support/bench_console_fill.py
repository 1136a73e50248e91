"""Schedules, runs and changes of weeks, as the console's bench needs them."""

from __future__ import annotations

from typing import Any

#: Rows of one statement.
SLICE = 500_000
#: Schedules of the kinds of all watches and of one of no watch; three of four belong to a watch.
_KINDS = """array['tests.noop', 'tasks.discovery.discover', 'tasks.prices.refresh', 'tasks.listings.scrape']"""
_SCHEDULES = f"""
insert into schedule (name, title, task, every, note, enabled, paused_until, revision)
select 'schedule-' || lpad(n::text, 5, '0'), case when n %% 3 = 0 then 'Title of ' || n end,
       ({_KINDS})[1 + n %% 4], '1 hour', 'note ' || n %% 1000, n %% 20 > 0,
       case when n %% 100 = 7 then 'infinity'::timestamptz end, 1
  from generate_series(0, %(schedules)s - 1) n
"""
_STATES = """
insert into schedule_state (schedule, planned_revision, anchor_at, next_run_at, claim_at, last_run_id,
       last_run_at, last_state, last_summary, success_share, median_duration, consecutive_failures)
select s.name, 1, now(), due, due, r.id, r.created_at, r.state, n || ' found', 1 - n %% 7 / 20.0,
       n %% 90 * interval '1 second', case when n %% 2000 = 0 then 1 else 0 end
  from (select name, enabled, row_number() over (order by name) as n from schedule) s
 cross join lateral (select case when enabled then now() + interval '6 hours' + n * interval '1 second' end as due) d
  left join lateral (select id, created_at, state from run where schedule = s.name
                      order by created_at desc limit 1) r on true
"""
#: Half of the runs belong to 1 % of the schedules.
_RUNS = f"""
insert into run (id, schedule, task, trigger, due_at, state, queue, max_attempts, created_at, started_at,
       finished_at, counted, result, error, reason, total, done, failed, batch_count)
select gen_random_uuid(), 'schedule-' || lpad(s::text, 5, '0'), ({_KINDS})[1 + s %% 4], 'manual', at,
       state, 'upkeep', 1, at, case when state not in ('skipped', 'missed') then at end,
       at + interval '3 seconds', true,
       case when state = 'succeeded' then jsonb_build_object('summary', n %% 977 || ' found') end,
       case when state in ('failed', 'partial') then 'HTTP ' || 400 + n %% 120 || ' from an upstream' end,
       case when state in ('skipped', 'missed') then 'another run was active' end, 3, 3, 0, 1
  from (select n, now() - interval '1 minute' - n * interval '0.4 seconds' as at,
               (case when n %% 2 = 0 then n / 2 %% greatest(%(schedules)s / 100, 1) else n %% %(schedules)s end)::int as s,
               case when n %% 50 = 0 then 'failed' when n %% 199 = 0 then 'partial' when n %% 101 = 0 then 'skipped'
                    when n %% 100003 = 0 then 'missed' else 'succeeded' end as state
          from generate_series(%(first)s::int, %(last)s::int) n) numbered
"""
_ACTIVE = f"""
with made as (
    insert into run (id, schedule, task, trigger, due_at, state, queue, max_attempts, created_at, started_at, total,
           batch_count, open_batches)
    select gen_random_uuid(), 'schedule-' || lpad((n * 97)::text, 5, '0'), ({_KINDS})[1 + n * 97 %% 4], 'manual', now(),
           case when n %% 5 = 0 then 'running' else 'due' end, 'upkeep', 1, now() - interval '20 seconds',
           case when n %% 5 = 0 then now() end, 400, 8, 8
      from generate_series(1, 250) n returning id, task, queue, state)
insert into batch (run_id, seq, task, queue, state, send_at, lease_until, total, done)
select id, seq, task, queue, case when state = 'running' and seq < 4 then 'running' else 'waiting' end,
       'infinity', case when state = 'running' and seq < 4 then 'infinity'::timestamptz end, 50, seq
  from made cross join generate_series(0, 7) seq
"""
_CHANGES = """
insert into change (table_name, key, name, action, old, new, changed_at, changed_by, program)
select 'schedule', jsonb_build_object('name', name), name, 'update', '{"every": "01:00:00"}', '{"every": "02:00:00"}',
       now() - interval '1 minute' - n * interval '10 seconds', 'person-' || n %% 30, 'psql'
  from (select n, 'schedule-' || lpad((n %% %(schedules)s)::text, 5, '0') as name from generate_series(500000, 1, -1) n) c
"""
_COUNTS = """
insert into run_count (day, task, state, number)
select (now() at time zone 'UTC')::date - day, 'task-' || task, state, 1000
  from generate_series(0, 30) day, generate_series(1, 8) task, unnest(array['succeeded', 'failed', 'partial']) state
"""
_PERMITS = """
insert into permit (upstream, granted_at, stamp, settled, status, path)
select (array['alpha_vantage', 'dexscreener', 'geckoterminal', 'head_fi'])[1 + n %% 4], at, at, true, 200, '/page'
  from (select now() - n * interval '0.3 seconds' as at, n from generate_series(%(first)s::int, %(last)s::int) n) numbered
"""
_SAMPLES = """
insert into queue_sample (at, queue, ready, running, waiting)
select now() - n * interval '1 minute', queue, n %% 50, 3, 0
  from generate_series(1, 2880) n, unnest(array['upkeep', 'prices', 'listings', 'discovery', 'notices']) queue
"""


def fill(sql: Any, schedules: int, runs: int) -> None:
    """``schedules`` planned already, ``runs`` that have ended, 250 that have not, and what people changed."""
    given = {"schedules": schedules}
    for table in ("schedule", "run"):
        sql.execute(f"alter table {table} disable trigger user")
    sql.execute(_SCHEDULES, given)
    _in_slices(sql, _RUNS, runs, **given)
    sql.execute("analyze run")
    sql.execute(_STATES, given)
    sql.execute(_ACTIVE, given)
    for table in ("schedule", "run"):
        sql.execute(f"alter table {table} enable trigger user")
    sql.execute(_CHANGES, given)
    sql.execute(_COUNTS, given)
    sql.execute(_SAMPLES, given)
    for day in range(3, 0, -1):
        at = f"clock_timestamp() - interval '{day} days'"
        while sql.execute(f"select make_partition('permit', {at})").fetchone()[0] is not None:
            pass
    _in_slices(sql, _PERMITS, min(runs, 500_000))
    # As beat does once a minute.
    while sql.execute("select total_permits()").fetchone()[0]:
        pass
    sql.execute("vacuum analyze")


def _in_slices(sql: Any, statement: str, number: int, **values: Any) -> None:
    """The newest rows last, as they are written in life."""
    for last in range(number, 0, -SLICE):
        sql.execute(statement, {"first": max(1, last - SLICE + 1), "last": last, **values})
