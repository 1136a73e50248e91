create or replace view running_now as
select r.schedule, r.task,
       case when all_.items > 0 then
           repeat('█', (20 * b.ended / all_.items)::integer) || repeat('░', 20 - (20 * b.ended / all_.items)::integer) end as progress,
       b.ended || '/' || all_.items as items,
       duration_words(date_trunc('second', clock_timestamp() - r.started_at)) as elapsed,
       case when b.ended > 0 and b.total > b.ended
            then 'about ' || duration_words(date_trunc('second',
                 (clock_timestamp() - r.started_at) * ((b.total - b.ended)::float8 / b.ended))) end as time_left,
       (select string_agg(w.upstream || case when u.next_permit_at > clock_timestamp()
                                             then ', ' || in_words(u.next_permit_at) else '' end, '; ' order by w.upstream)
          from unnest(b.waiting_for) as w(upstream) left join upstream_state u on u.upstream = w.upstream) as waiting_for,
       r.trigger || coalesce(' by ' || r.requested_by, '') as started_by,
       b.failed, r.state, r.id, r.started_at, r.created_at, all_.items as total, b.ended, b.done, b.deferred,
       b.waiting_for as waiting_upstreams, clock_timestamp() - r.started_at as elapsed_interval
  from run r
  cross join lateral (
      select coalesce(sum(done + failed + deferred), 0) as ended, coalesce(sum(done), 0) as done,
             coalesce(sum(failed), 0) as failed, coalesce(sum(deferred), 0) as deferred,
             coalesce(sum(total), 0) as total,
             array_agg(distinct waiting_for) filter (where waiting_for is not null) as waiting_for
        from batch where run_id = r.id) b
  cross join lateral (select greatest(r.total, b.total) as items) all_
 where r.state in ('due', 'running', 'held')
 order by r.created_at;
comment on view running_now is 'Active runs, their progress, and what they wait for';

create or replace function run_is_idle(r run) returns boolean
language sql immutable
as $$
    select r.state = 'succeeded' and r.task like any ('{tasks.upkeep.%,tasks.watches.%}') and r.result ? 'counts'
       and not exists (select from jsonb_each(r.result -> 'counts') c(key, value) where c.value not in ('0', 'null', '[]'))
$$;
comment on function run_is_idle(run) is 'Whether it is upkeep that found nothing to do';

create or replace view every_run as
select ago_words(r.created_at) as ago, coalesce(r.schedule, r.task) as name, r.trigger, r.state,
       coalesce(r.error, r.reason, r.result ->> 'summary') as summary,
       duration_words(date_trunc('milliseconds', r.finished_at - r.started_at)) as took,
       r.done, r.failed, r.deferred, r.total, r.due_at, r.created_at, r.id,
       r.started_at, r.finished_at, r.finished_at - r.started_at as took_interval, r.requested_by, run_is_idle(r) as idle
  from run r order by r.created_at desc;
comment on view every_run is 'Runs, the newest first, also upkeep that found nothing to do; add LIMIT';
comment on column every_run.idle is 'Whether it is upkeep that found nothing to do';

create or replace view recent_runs as
-- Both parts are in order, so that a LIMIT reads no more than it shows.
select * from (
    (select r.ago, r.name, r.trigger, r.state, r.summary, r.took, r.done, r.failed, r.deferred, r.total, r.due_at, r.created_at, r.id,
            r.started_at, r.finished_at, r.took_interval, r.requested_by, 1 as runs
       from every_run r where r.idle is not true order by r.created_at desc)
    union all
    select ago_words(folded.at), s.name, null, 'succeeded', folded.runs || ' × ' || coalesce(folded.words, 'nothing to do') || ' within a day', null,
           0, 0, 0, 0, null, folded.at, folded.id, null, null, null, null, folded.runs
      from schedule s
     cross join lateral (
         select max(r.created_at) as at, count(*)::integer as runs, (array_agg(r.id order by r.created_at desc))[1] as id,
                (array_agg(r.result ->> 'summary' order by r.created_at desc))[1] as words
           from run r
          where r.schedule = s.name and r.created_at > clock_timestamp() - interval '1 day' and run_is_idle(r)) folded
     where s.task like any ('{tasks.upkeep.%,tasks.watches.%}') and folded.runs > 0) r
order by created_at desc;
comment on view recent_runs is
    'Runs, the newest first; upkeep that found nothing to do is one row a schedule; add LIMIT; every_run has all';
comment on column recent_runs.runs is 'How many runs the row stands for';

create or replace view recent_failures as
select ago_words(r.finished_at) as ago, coalesce(r.schedule, r.task) as name, r.state, r.error,
       r.failed, r.total, r.finished_at, r.id, r.traceback
  from run r where r.state in ('failed', 'partial') order by r.finished_at desc;
comment on view recent_failures is 'Runs that failed, whole or in part, the newest first; add LIMIT';

create or replace view queue_status as
-- Each state by an index of its own: what has ended is not read.
with unfinished as (
    select queue, state, created_at, send_at, waiting_for, not_before from batch where state = 'running'
    union all select queue, state, created_at, send_at, waiting_for, not_before from batch where state = 'sent'
    union all select queue, state, created_at, send_at, waiting_for, not_before from batch where state = 'waiting'
)
select queue,
       count(*) filter (where open and send_at is not null and not later) as ready,
       count(*) filter (where state = 'running') as running,
       count(*) filter (where open and waiting_for is not null and send_at is null) as waiting_for_quota,
       min(created_at) filter (where open and send_at is not null and not later) as oldest,
       count(*) filter (where open and send_at is not null and later) as later
  from unfinished
  cross join lateral (select state <> 'running' as open,
                             coalesce(not_before > clock_timestamp(), false) as later) is_
 group by queue order by queue;
comment on view queue_status is 'Work by queue: ready, running, waiting for an upstream, and for later (batch delay, back-off)';

create or replace view health as
select h.name, h.role, sign_words(clock_timestamp() - h.seen_at) as seen,
       case when h.detail ? 'ended' then 'ended'
            when h.seen_at < clock_timestamp() - interval '30 seconds' then 'SILENT' else 'ok' end as state,
       h.detail, h.seen_at, h.started_at
  from heartbeat h
 where h.seen_at > clock_timestamp() - case when h.detail ? 'ended' then interval '10 minutes' else interval '1 day' end
 order by h.role, h.name;
comment on view health is 'Each beat and worker, and its last heartbeat';

create or replace view schedule_change as
select c.id, case c.table_name when 'pause_switch' then '(all)' else c.name end as schedule, c.action,
       (select coalesce(jsonb_object_agg(key, jsonb_build_array(c.old -> key, c.new -> key)), '{}')
          from jsonb_object_keys(coalesce(c.new, c.old)) key) as changes,
       c.changed_at, c.changed_by, c.program
  from change c where c.table_name in ('schedule', 'pause_switch');
comment on view schedule_change is 'Changes of schedules, and of the switch that pauses everything, as (all)';
comment on column schedule_change.changes is 'Only what changed: {"every": ["04:00:00", "02:00:00"]}';

create or replace view recent_changes as
select c.changed_at, c.changed_by, c.program,
       case c.table_name when 'schedule' then c.name when 'pause_switch' then '(all)' end as schedule,
       case c.action when 'update' then
           (select string_agg(key || ': ' || coalesce(c.old ->> key, 'null') || ' -> ' || coalesce(c.new ->> key, 'null'), ', ')
              from jsonb_object_keys(c.new) key)
       else rtrim(c.action, 'e') || 'ed' end as change,
       c.table_name || ' ' || c.name as what, c.id, c.old, c.new
  from change c order by c.id desc;
comment on view recent_changes is 'Who changed what, the newest first; add LIMIT; to undo one: SELECT undo_change(id);';
