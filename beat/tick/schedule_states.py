"""`schedule_state`: what the machine knows of each schedule; beat alone writes it."""

from beat.tick.plan import COLUMNS

LOCK_DUE = """
select ctid::text from schedule_state
 where claim_at <= %(now)s and claim_at >= coalesce(%(low)s::timestamptz, '-infinity')
   and not coalesce((select paused from pause_switch where single), false)
 order by claim_at limit %(limit)s for update skip locked
"""

LOCK_NEWEST = LOCK_DUE.replace("order by claim_at", "order by claim_at desc")

LOCK_NAMED = """
select schedule, ctid::text as place from schedule_state
 where schedule = any(%(names)s) order by schedule for update skip locked
"""

#: Read by a statement of its own after the lock: one that locks sees what was before it waited.
#: By place, which a locked row keeps: by key all versions are met that a held snapshot keeps.
READ = f"""
select {COLUMNS}
  from schedule_state st
  join schedule s on s.name = st.schedule
  left join task_kind k on k.name = s.task
 where st.ctid = any(%(places)s::tid[])
"""  # noqa: S608 - column names of our own

#: Does not wait for a row that somebody is about to delete.
CREATE = """
insert into schedule_state (schedule)
select name from schedule s
 where name = any(%(names)s) and not exists (select from schedule_state where schedule = s.name)
   for key share skip locked
on conflict do nothing
"""

#: One slice of all schedules, in order of name, and those in it whose plan is not of their revision.
#: The first states in the same order hold all of the slice's: each belongs to a schedule.
SLICE = """
with slice as materialized (
    select name, revision from schedule where name > %(after)s order by name limit %(slice)s
), planned as materialized (
    select schedule, planned_revision from schedule_state
     where schedule > %(after)s order by schedule limit %(slice)s
)
select (select max(name) from slice), (select count(*) from slice), array(
    select name from (select * from slice except select * from planned) unplanned limit %(limit)s)
"""

SET_PLAN = """
update schedule_state st
   set planned_revision = p.revision, anchor_at = p.anchor_at, next_run_at = p.next_run_at,
       claim_at = p.claim_at, error = null, error_at = null, updated_at = %(now)s,
       tripped_at = case when st.planned_revision = p.revision then st.tripped_at end,
       tripped_reason = case when st.planned_revision = p.revision then st.tripped_reason end,
       consecutive_failures = case when st.tripped_at is null or st.planned_revision = p.revision
                                   then st.consecutive_failures else 0 end
  from unnest(%(names)s::text[], %(revisions)s::bigint[], %(anchors)s::timestamptz[],
              %(nexts)s::timestamptz[], %(claims)s::timestamptz[])
       as p(schedule, revision, anchor_at, next_run_at, claim_at)
 where st.schedule = p.schedule
"""

ADVANCE = """
update schedule_state st
   set next_run_at = p.next_run_at, claim_at = p.claim_at, last_due_at = p.last_due_at,
       runs_counted = st.runs_counted + p.runs, updated_at = %(now)s
  from unnest(%(names)s::text[], %(nexts)s::timestamptz[], %(claims)s::timestamptz[],
              %(lasts)s::timestamptz[], %(runs)s::int[])
       as p(schedule, next_run_at, claim_at, last_due_at, runs)
 where st.schedule = p.schedule
"""

#: For states that this transaction has locked, read and not written.
ADVANCE_IN_PLACE = (
    ADVANCE.replace("%(names)s::text[]", "%(places)s::tid[]")
    .replace("as p(schedule,", "as p(place,")
    .replace("st.schedule = p.schedule", "st.ctid = p.place")
)

SET_ASIDE = """
update schedule_state st
   set claim_at = null, next_run_at = null, error = p.error, error_at = %(now)s,
       planned_revision = p.revision, updated_at = %(now)s
  from unnest(%(names)s::text[], %(revisions)s::bigint[], %(errors)s::text[])
       as p(schedule, revision, error)
 where st.schedule = p.schedule
"""

NEXT_CLAIM = """
select min(claim_at) from schedule_state
 where claim_at is not null and claim_at >= coalesce(%(low_claim)s::timestamptz, '-infinity')
"""

SET_FAILURES = """
update schedule_state st
   set consecutive_failures = p.failures, updated_at = %(now)s,
       failing_since = coalesce(p.since, st.failing_since),
       tripped_at = case when p.reason is null then st.tripped_at else %(now)s end,
       tripped_reason = coalesce(p.reason, st.tripped_reason),
       next_run_at = case when p.reason is null then st.next_run_at end,
       claim_at = case when p.reason is null then st.claim_at end
  from unnest(%(names)s::text[], %(failures)s::int[], %(sinces)s::timestamptz[], %(reasons)s::text[])
       as p(schedule, failures, since, reason)
 where st.schedule = p.schedule
"""

#: How each of these schedules went lately, for lists, which then read no run; states that this
#: transaction has locked, read and not written.
SUMMARISE = """
update schedule_state st
   set last_run_id = l.ids[1], last_run_at = l.times[1], last_state = l.states[1],
       last_summary = left(l.summaries[1], 500), success_share = l.succeeded / l.started::float8,
       partial_share = l.partial / l.started::float8, median_duration = l.median
  from unnest(%(names)s::text[], %(places)s::tid[]) as g(schedule, place)
 cross join lateral (
    select array_agg(id) as ids, array_agg(created_at) as times, array_agg(state) as states,
           array_agg(summary) as summaries, nullif(count(started_at), 0) as started,
           count(*) filter (where state = 'succeeded') as succeeded,
           count(*) filter (where state = 'partial') as partial,
           percentile_cont(0.5) within group (order by finished_at - started_at) as median
      from (select id, created_at, state, started_at, finished_at,
                   coalesce(error, reason, result ->> 'summary') as summary
              from run where schedule = g.schedule and finished_at is not null
               and state not in ('missed', 'skipped')
             order by created_at desc limit 20) last_runs) l
 where st.ctid = g.place and l.ids is not null
"""
