-- name: list
select *, case when blocked_until is not null then in_words(blocked_until) end as unblocks
  from quota_status
 order by blocked_because is null, used::float8 / nullif(allowed, 0) desc nulls last, upstream,
          per_interval

-- name: limit
insert into quota (upstream, per, calls, note) values (%(name)s, %(per)s, %(calls)s, %(note)s)
    on conflict (upstream, per) do update
   set calls = excluded.calls, note = coalesce(excluded.note, quota.note)
returning rate_words(calls, per) as rate
