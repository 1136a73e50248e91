create or replace view schedule_detail as
select s.name,
       schedule_words(s) as runs,
       case
           when st.error is not null then 'set aside: ' || st.error
           when not s.enabled then 'disabled'
           when switch.paused then 'paused (all)'
           when s.paused_until = 'infinity' then 'paused'
           when s.paused_until > clock_timestamp()
               then 'paused until ' || to_char(s.paused_until at time zone s.timezone, 'MM-DD HH24:MI') || ' ' || s.timezone
           when st.tripped_at is not null then 'paused itself: ' || st.tripped_reason
           when st.claim_at < clock_timestamp() - interval '1 minute'
               then 'LATE by ' || duration_words(date_trunc('second', clock_timestamp() - st.claim_at))
           else 'on' end as state,
       st.planned_revision is not distinct from s.revision as seen_by_beat,
       ago_words(last.created_at) as last_run,
       last.state as result,
       coalesce(last.error, last.reason, last.result ->> 'summary') as summary,
       case when s.after is not null then 'after ' || s.after else in_words(st.next_run_at) end as next_run,
       round(100 * recent.share) || ' %' as success_rate,
       round(100 * recent.partial_share) || ' %' as partial_rate,
       duration_words(date_trunc('second', recent.median)) as median_duration,
       s.note,
       case when switch.paused then switch.note when s.paused_until > clock_timestamp() then s.pause_reason end as pause_reason,
       case when switch.paused then switch.changed_by
            when s.paused_until > clock_timestamp()
                then (select c.changed_by from change c where c.table_name = 'schedule' and c.name = s.name
                         and c.new ? 'paused_until' order by c.id desc limit 1) end as paused_by,
       s.enabled, s.every, s.cron, s.timezone, s.task, s.paused_until, st.next_run_at,
       last.created_at as last_run_at, last.id as last_run_id, st.consecutive_failures,
       round(recent.share, 3) as success_share, recent.median as median_interval, st.tripped_at, st.error,
       round(recent.partial_share, 3) as partial_share, s.alert_after, s.alert_on_partial
  from schedule s
  cross join pause_switch switch
  left join schedule_state st on st.schedule = s.name
  left join lateral (
      select * from run r where r.schedule = s.name and r.state not in ('missed', 'skipped')
       order by r.created_at desc limit 1) last on true
  left join lateral (
      select count(*) filter (where state = 'succeeded')::numeric / nullif(count(*), 0) as share,
             count(*) filter (where state = 'partial')::numeric / nullif(count(*), 0) as partial_share,
             percentile_cont(0.5) within group (order by finished_at - started_at) as median
        from (select r.state, r.started_at, r.finished_at from run r
               where r.schedule = s.name and r.finished_at is not null and r.started_at is not null
               order by r.created_at desc limit 20) ended) recent on true
 order by s.name;

comment on view schedule_detail is 'Every schedule with all that is known of it, for programs; schedule_status is for people';
comment on column schedule_detail.seen_by_beat is 'Whether beat has planned the latest edit';
comment on column schedule_detail.success_rate is 'Of the last 20 runs; a partial one is no success';
comment on column schedule_detail.partial_rate is 'Of the last 20 runs: those of which some items failed or were deferred';
comment on column schedule_detail.pause_reason is 'Why it is paused now, or why everything is';
comment on column schedule_detail.paused_by is 'Who paused it, or everything';
comment on column schedule_detail.median_duration is 'Of the last 20 runs';
