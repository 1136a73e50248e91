create or replace view quota_status as
select u.name as upstream,
       case when q.timezone is null then duration_words(q.per) else 'day of ' || q.timezone end as per,
       used.calls as used, q.calls as allowed,
       round(100.0 * used.calls / q.calls) || ' %' as share,
       case when used.calls > 0 then
           in_words(case when q.timezone is null then used.oldest + q.per
                         else window_free(null, q.per, q.timezone, clock_timestamp()) end) end as resets,
       waiting.batches as waiting, waiting.who as who_waits,
       case when s.blocked_until > clock_timestamp() then s.blocked_until end as blocked_until,
       case when not u.enabled then 'disabled' || coalesce(': ' || u.note, '')
            when s.blocked_until > clock_timestamp() then s.blocked_reason end as blocked_because,
       case when s.blocked_until > clock_timestamp() then 'open'
            when s.failures > 0 and s.blocked_until is not null then 'half open'
            else 'closed' end as breaker,
       s.next_permit_at, s.next_permit_reason, s.failures, q.per as per_interval, q.paced
  from (select clock_timestamp() as now_) clock
 cross join upstream u
  join upstream_state s on s.upstream = u.name
  left join quota q on q.upstream = u.name
  cross join lateral window_start(q.per, q.timezone, clock.now_) as begins
  cross join lateral window_calls(u.name, begins) used
  cross join lateral (select count(*) as batches,
                             string_agg(distinct coalesce(r.schedule, r.task), ', ') as who
                        from batch b join run r on r.id = b.run_id
                       where b.waiting_for = u.name and b.state in ('waiting', 'sent')) waiting
 order by u.name, q.per;
comment on view quota_status is
    'How much of each upstream''s limits is used, who waits, what is blocked and why (breaker: closed lets calls through)';
