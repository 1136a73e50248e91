create or replace view recent_runs as
select r.ago, r.name, r.trigger, r.state, r.summary, r.took, r.done, r.failed, r.deferred, r.total, r.due_at, r.created_at, r.id,
       r.started_at, r.finished_at, r.took_interval, r.requested_by, 1 as runs
  from every_run r where r.idle is not true
union all
select ago_words(folded.at), s.name, null, 'succeeded', folded.runs || ' × ' || coalesce(folded.words, 'nothing to do') || ' within a day', null,
       0, 0, 0, 0, null, folded.at, folded.id, null, null, null, null, folded.runs
  from schedule s
 cross join lateral (
     select max(r.created_at) as at, count(*)::integer as runs, (array_agg(r.id order by r.created_at desc))[1] as id,
            (array_agg(r.result ->> 'summary' order by r.created_at desc))[1] as words
       from run r
      where r.schedule = s.name and r.created_at > clock_timestamp() - interval '1 day' and run_is_idle(r)) folded
 where s.task like any ('{tasks.upkeep.%,tasks.watches.%}') and folded.runs > 0
 order by created_at desc;

create or replace view queue_status as
select queue,
       count(*) filter (where open and send_at is not null and not later) as ready,
       count(*) filter (where state = 'running') as running,
       count(*) filter (where open and waiting_for is not null and send_at is null) as waiting_for_quota,
       min(created_at) filter (where open and send_at is not null and not later) as oldest,
       count(*) filter (where open and send_at is not null and later) as later
  from batch
  cross join lateral (select state in ('waiting', 'sent') as open,
                             coalesce(not_before > clock_timestamp(), false) as later) is_
 where state in ('waiting', 'sent', 'running') group by queue order by queue;
