alter table schedule_state add column failing_since timestamptz;
comment on column schedule_state.failing_since is 'End of the first failed run since the last good one';
update schedule_state st
   set failing_since = (
       select r.finished_at from run r join schedule s on s.name = r.schedule
        where r.schedule = st.schedule and r.state in ('failed', 'partial') and run_is_failure(r, s.alert_on_partial)
        order by r.created_at desc offset st.consecutive_failures - 1 limit 1)
 where consecutive_failures > 0;

-- Only runs that wait are in it: built at once, as few as they are.
-- squawk-ignore require-concurrent-index-deletion
drop index run_held;
-- squawk-ignore require-concurrent-index-creation
create index run_held on run (schedule, (trigger = 'backfill'), created_at, due_at) where state = 'held';

drop trigger schedule_kept on schedule;
create or replace trigger "0_schedule_kept"
    after delete on schedule
    for each row execute function schedule_kept();

create or replace function schedule_check() returns trigger
language plpgsql
as $$
declare
    kind task_kind;
    found_text text;
    is_new boolean := tg_op = 'INSERT';
    begins timestamptz;
    until timestamptz;
    given text;
    written text;
    longest integer;
begin
    if not is_new and new.name is distinct from old.name then
        raise exception 'a schedule cannot be renamed'
            using errcode = '23514', column = 'name',
                  detail = format('Run history is filed under the name "%s".', old.name),
                  hint = 'Insert a new one, then: ' || how_to(format('DELETE FROM schedule WHERE name = %L;', old.name), 'schedule remove ' || old.name);
    end if;
    if not is_new and new.task is distinct from old.task then
        raise exception 'the task of a schedule cannot be changed'
            using errcode = '23514', column = 'task',
                  detail = format('"%s" runs %s; its history and its options belong to that task.', old.name, old.task),
                  hint = 'Insert a new schedule for the other task and disable this one.';
    end if;
    if num_nulls(new.name, new.task, new.options, new.timezone, new.enabled, new.overlap, new.catch_up, new.catch_up_window,
                 new.calendar_hours) > 0 then
        select key into found_text from jsonb_each(to_jsonb(new))
         where value = 'null' and key in ('name', 'task', 'options', 'timezone', 'enabled', 'overlap', 'catch_up', 'catch_up_window', 'calendar_hours')
         limit 1;
        raise exception '% = null is not allowed', found_text
            using errcode = '23514', column = found_text,
                  hint = case found_text when 'name' then 'Write e.g. name = ''prices-nightly''.'
                                         when 'task' then 'Write e.g. task = ''tasks.prices.refresh''; all: SELECT name FROM task_kind;'
                                         else format('For its default: %s = DEFAULT.', found_text) end;
    end if;

    select * into kind from task_kind where name = new.task;
    if is_new and (kind is null or kind.retired_at is not null) then
        raise exception 'no worker knows a task named "%"', coalesce(new.task, '')
            using errcode = '23514', column = 'task',
                  hint = did_you_mean(new.task, (select array_agg(name) from task_kind where retired_at is null))
                         || 'Known tasks: ' || coalesce((select string_agg(name, ', ' order by name)
                                                        from task_kind where retired_at is null), 'none yet: run the migrate step');
    end if;

    if is_new or row(new.every, new.cron, new.at, new.after, new.starts_at, new.ends_at, new.paused_until, new.options,
                     new.jitter, new.timeout, new.expires, new.catch_up_window)
       is distinct from row(old.every, old.cron, old.at, old.after, old.starts_at, old.ends_at, old.paused_until, old.options,
                            old.jitter, old.timeout, old.expires, old.catch_up_window) then
        perform schedule_check_timing(new);
    end if;
    if is_new or row(new.overlap, new.catch_up, new.calendar_hours, new.priority, new.max_runs, new.pause_after_failures,
                     new.max_attempts, new.batch_size, new.max_in_flight, new.jitter, new.timeout, new.expires,
                     new.batch_delay, new.catch_up_window, new.alert_after, new.alert_on_partial)
       is distinct from row(old.overlap, old.catch_up, old.calendar_hours, old.priority, old.max_runs, old.pause_after_failures,
                            old.max_attempts, old.batch_size, old.max_in_flight, old.jitter, old.timeout, old.expires,
                            old.batch_delay, old.catch_up_window, old.alert_after, old.alert_on_partial) then
        perform schedule_check_values(new);
    end if;
    for given, written, longest in
        select * from (values ('title', new.title, 200), ('note', new.note, 2000), ('pause_reason', new.pause_reason, 2000)) texts
         where length(column2) > column3
    loop
        if is_new or written is distinct from to_jsonb(old) ->> given then
            raise exception '% "%…" has % characters', given, left(written, 30), length(written)
                using errcode = '23514', column = given, hint = format('At most %s characters.', longest);
        end if;
    end loop;
    if new.pause_reason is not null and new.paused_until is null and not is_new and new.pause_reason is distinct from old.pause_reason then
        raise exception 'pause_reason is set, but "%" is not paused', new.name
            using errcode = '23514', column = 'pause_reason',
                  hint = 'To pause it: ' || how_to(format('SELECT pause(%L, %L);', new.name, new.pause_reason),
                                                   format('schedule pause %s --note %L;', new.name, new.pause_reason))
                         || ' other remarks belong in note.';
    end if;
    if new.enabled and new.at < clock_timestamp() - interval '1 minute' and (is_new or new.at is distinct from old.at) then
        raise notice 'at = % has passed: "%" will not run.', new.at, new.name
            using hint = 'To run it now: ' || how_to(format('SELECT run_now(%L);', new.name), 'schedule run ' || new.name);
    end if;
    if new.enabled and new.at is not null
       and (is_new or row(new.at, new.starts_at, new.ends_at, new.calendar, new.calendar_hours)
                      is distinct from row(old.at, old.starts_at, old.ends_at, old.calendar, old.calendar_hours)) then
        found_text := case
            when new.at < new.starts_at then 'before starts_at'
            when new.at >= new.ends_at then 'not before ends_at'
            when exists (select from market_session where mic = new.calendar and session_date > new.at::date)
                 and due_times(new, new.at, new.at, new.at + interval '1 microsecond', 1) = '{}'
                then format('not in a trading %s of %s', new.calendar_hours, new.calendar) end;
        if found_text is not null then
            raise notice 'at = % is %: "%" will not run.', new.at, found_text, new.name;
        end if;
    end if;
    if new.every is not null and (is_new or new.every is distinct from old.every) then
        perform schedule_check_every(new.every, kind);
    end if;
    if new.cron is not null and (is_new or new.cron is distinct from old.cron) then
        perform schedule_check_cron(new.cron);
    end if;
    if is_new or new.timezone is distinct from old.timezone then
        perform schedule_check_timezone(new.timezone);
    end if;
    if new.calendar is not null and (is_new or new.calendar is distinct from old.calendar) then
        perform schedule_check_calendar(new.calendar);
    end if;
    if new.enabled and new.calendar is not null and num_nonnulls(new.every, new.cron) = 1 and sun_event(new.cron) is null
       and (is_new or row(new.every, new.cron, new.timezone, new.calendar, new.calendar_hours, new.starts_at, new.ends_at, new.enabled)
                      is distinct from row(old.every, old.cron, old.timezone, old.calendar, old.calendar_hours, old.starts_at, old.ends_at,
                                           old.enabled)) then
        begins := greatest(clock_timestamp(), new.starts_at);
        select least(max(close_at), new.ends_at) into until from market_session where mic = new.calendar;
        if until > begins and due_times(new, coalesce(new.starts_at, begins), begins, until, 1) = '{}' then
            raise notice 'no due time of "%" until % is in a trading % of %: it will not run.',
                  new.name, until::date, new.calendar_hours, new.calendar
                using hint = 'Its trading days: ' || format('SELECT * FROM market_session WHERE mic = %L AND open_at > now() LIMIT 10;', new.calendar);
        end if;
    end if;
    if new.after is not null and (is_new or new.after is distinct from old.after) then
        perform schedule_check_after(new.name, new.after);
    end if;
    if is_new or new.options is distinct from old.options then
        perform options_check(new.task, new.options, kind.options_schema);
    end if;
    if new.queue is not null and (is_new or new.queue is distinct from old.queue) then
        select string_agg(name, ', ' order by name) into found_text
          from (select queue.name from queue union select task_kind.queue from task_kind) known;
        if not exists (select from task_kind where queue = new.queue) and not exists (select from queue where queue.name = new.queue) then
            raise exception 'no worker serves a queue named "%"', new.queue
                using errcode = '23514', column = 'queue',
                      hint = did_you_mean(new.queue, string_to_array(found_text, ', '))
                             || format('Queues: %s. If workers serve it: INSERT INTO queue VALUES (%L);', found_text, new.queue);
        end if;
    end if;
    return new;
end
$$;

create or replace function resume(schedule_name text) returns text language plpgsql
as $$
declare
    kept schedule := schedule_named(schedule_name);
    was_paused boolean := kept.paused_until > clock_timestamp()
        or exists (select from schedule_state where schedule = kept.name and tripped_at is not null);
begin
    perform require_operator('schedule', 'change');
    if was_paused then
        -- Clears an automatic pause too: beat plans anew whatever was edited.
        update schedule set paused_until = case when paused_until is null then clock_timestamp() end, pause_reason = null
         where name = kept.name returning * into kept;
    end if;
    perform schedule_says_disabled(kept);
    return kept.name || case when not kept.enabled then ' stays disabled.' when was_paused then ' is resumed.' else ' was not paused.' end;
end
$$;

create or replace view trouble as
-- Kind and subject name an incident; paused and disabled schedules are silent.
with sign as materialized (
    select h.name, h.role, split_part(h.name, '@', 1) as "group", h.started_at, h.seen_at, h.detail -> 'queues' as queues,
           h.seen_at > clock_timestamp() - interval '30 seconds' as alive
      from heartbeat h
     where h.seen_at > clock_timestamp() - interval '1 day' and not h.detail ? 'ended'
), silent as materialized (
    select s.*, case when s.role = 'beat' then exists (select from sign b where b.role = 'beat' and b.alive)
                else not exists (select from jsonb_array_elements_text(s.queues) q(queue)
                                  where not exists (select from sign w where w.role = 'worker' and w.alive and w.queues ? q.queue))
                end as covered
      from sign s
     where not s.alive
       -- A process of its group, or for its queues, that began after its last heartbeat took its place; each takes one place.
       and (select count(*) from sign n
             where n.alive and n.role = s.role and (n."group" = s."group" or n.queues @> s.queues) and n.started_at > s.seen_at)
           < (select count(*) from sign o
               where not o.alive and o.role = s.role and (o."group" = s."group" or o.queues @> s.queues) and o.seen_at >= s.seen_at)
), at_work as not materialized (
    select s.* from schedule s
     where s.enabled and not coalesce(s.paused_until > statement_timestamp(), false)
), late as materialized (
    select st.schedule, st.claim_at, count(*) over () as number
      from (select schedule, claim_at from schedule_state
             where claim_at < statement_timestamp() - interval '1 minute' and tripped_at is null and error is null
               -- Beat knows that none is due since before that: dead entries of the index are passed by.
               and claim_at >= coalesce(nullif(current_setting('watchkeeper.none_due_before', true), '')::timestamptz, '-infinity')
             order by claim_at limit 1000) st
      join at_work s on s.name = st.schedule
     where not (select paused from pause_switch)
), late_together as materialized (
    -- Many have one cause; they stay one incident until few are left.
    select number > 20 or number > 5 and exists (select from incident i where i.kind = 'many late' and i.closed_at is null) as yes
      from late limit 1
)
select 'failing' as kind, s.name as subject,
       s.name || ' failed' || case when st.consecutive_failures > 1 then ' ' || st.consecutive_failures || ' times in a row' else '' end as title,
       coalesce(case when last.state = 'partial' then last.failed || ' of ' || count_words(last.total, 'item') || ' failed: ' else '' end
                || coalesce(last.error, last.reason), 'no reason kept') as text,
       'error' as severity, coalesce(st.failing_since, last.finished_at) as since
  from at_work s join schedule_state st on st.schedule = s.name
  left join lateral (select * from run r where r.schedule = s.name and r.state in ('failed', 'partial')
                       and run_is_failure(r, s.alert_on_partial) order by r.created_at desc limit 1) last on true
 where st.tripped_at is null and st.consecutive_failures > 0 and st.consecutive_failures >= s.alert_after
union all
select 'tripped', s.name, s.name || ' paused itself',
       st.tripped_reason || '; to resume it: ' || how_to(format('SELECT resume(%L);', s.name), 'schedule resume ' || s.name),
       'error', st.tripped_at
  from at_work s join schedule_state st on st.schedule = s.name
 where st.tripped_at is not null
union all
select 'late', l.schedule, l.schedule || ' is late',
       'due ' || to_char(l.claim_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI') || ' UTC and not begun; is a beat running?',
       'error', l.claim_at
  from late l where not (select yes from late_together)
union all
select 'many late', 'schedules', case when max(l.number) < 1000 then max(l.number)::text else '1000 or more' end || ' schedules are late',
       'the first was due ' || to_char(min(l.claim_at) at time zone 'UTC', 'YYYY-MM-DD HH24:MI')
       || ' UTC: no beat runs, or more comes due than it can claim; to see the first: '
       || how_to('SELECT schedule, claim_at FROM schedule_state ORDER BY claim_at LIMIT 20;', 'schedule status'),
       'error', min(l.claim_at)
  from late l where (select yes from late_together) having count(*) > 0
union all
select 'set aside', s.name, s.name || ' is set aside: beat cannot plan it',
       st.error || '; beat tries again after any edit of the schedule', 'error', st.error_at
  from at_work s join schedule_state st on st.schedule = s.name where st.error is not null
union all
select 'paused', 'everything', 'everything is paused',
       'by ' || coalesce(p.changed_by, 'somebody')
       || coalesce(' since ' || to_char(p.changed_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI') || ' UTC', '')
       || ': ' || coalesce(p.note, 'no reason given') || '; to end it: ' || how_to('SELECT resume_all();', 'schedule resume --all'),
       'error', p.changed_at
  from pause_switch p where p.paused
union all
select 'beat silent', 'beat', 'no beat runs',
       coalesce('the last heartbeat was ' || last.name || '''s, ' || sign_words(clock_timestamp() - last.seen_at),
                'there was never a heartbeat') || '; no run starts and no notice is sent until a beat runs',
       'error', last.seen_at
  from (select) always
  left join lateral (select h.name, h.seen_at from heartbeat h where h.role = 'beat' order by h.seen_at desc limit 1) last on true
 where not exists (select from sign where role = 'beat' and alive)
union all
select 'beat silent', s.name, 'beat ' || s.name || ' is silent',
       'last heartbeat ' || sign_words(clock_timestamp() - s.seen_at) || '; another beat runs', 'error', s.seen_at
  from silent s where s.role = 'beat' and s.covered and s.seen_at > clock_timestamp() - interval '1 hour'
union all
select 'worker silent', s.name, 'worker ' || s.name || ' is silent',
       'last heartbeat ' || sign_words(clock_timestamp() - s.seen_at) || '; its queues: '
       || coalesce((select string_agg(queue, ', ' order by queue) from jsonb_array_elements_text(s.queues) queue), 'none')
       || case when s.covered then ', which other workers serve too' else '' end,
       'error', s.seen_at
  from silent s
 where s.role = 'worker' and (not s.covered or s.seen_at > clock_timestamp() - interval '1 hour')
union all
select 'queue unserved', unserved.queue, 'no worker serves the queue ' || unserved.queue,
       case when waiting.oldest is null or waiting.oldest >= clock_timestamp() - interval '30 seconds'
                then 'the last run of ' || count_words(expired.number, 'schedule') || ' expired, the latest '
                     || sign_words(clock_timestamp() - expired.latest)
            else case waiting.number when 1 then '1 batch is' when 1000 then '1000 or more batches are' else waiting.number || ' batches are' end
                 || ' ready, the oldest made ' || sign_words(clock_timestamp() - waiting.oldest) end
       || '; start a worker with -Q ' || unserved.queue, 'error', coalesce(waiting.oldest, expired.oldest)
  from (select queue from task_kind where retired_at is null
        union select queue from schedule where queue is not null
        except select jsonb_array_elements_text(queues) from sign where role = 'worker' and alive) unserved
 cross join lateral (
     select count(*) as number, min(due.created_at) as oldest
       from (select b.created_at from batch b
              where b.queue = unserved.queue and (b.state = 'sent' or b.state = 'waiting' and b.send_at <= clock_timestamp())
                and coalesce(b.not_before <= clock_timestamp(), true)
              limit 1000) due) waiting
 cross join lateral (
     -- A run that expires sooner than in 30 seconds is never seen waiting for so long.
     select count(*) as number, min(one.last_run_at) as oldest, max(one.last_run_at) as latest
       from (select st.last_run_at
               from schedule_state st join at_work s on s.name = st.schedule join task_kind k on k.name = s.task
              where st.last_state = 'expired' and coalesce(s.queue, k.queue) = unserved.queue
              limit 1000) one) expired
 where waiting.oldest < clock_timestamp() - interval '30 seconds' or expired.number > 0
union all
select 'notices held', c.name,
       case when room.free_at > clock_timestamp() then c.name || ' is near its limit of messages an hour'
            else 'notices for ' || c.name || ' are not sent' end,
       waiting.number || ' waiting; ' ||
       case when room.free_at > clock_timestamp()
            then 'messages in the last hour: ' || room.used || ' of ' || c.max_per_hour || '; one with all waiting notices goes at '
                 || to_char(room.free_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS') || ' UTC'
            else 'the oldest is from ' || ago_words(waiting.oldest)
                 || coalesce('; the server said: ' || waiting.answer, '; does the schedule send-notices run?') end,
       case when room.free_at > clock_timestamp() then 'warning' else 'error' end, waiting.oldest
  from channel c
 cross join lateral (
     select count(*) as number, min(n.created_at) as oldest, (array_agg(n.answer order by n.id) filter (where n.answer is not null))[1] as answer
       from notice n where n.channel = c.name and n.state in ('waiting', 'sending')) waiting
 cross join lateral channel_room(c.name) room
 where c.enabled and waiting.number > 0
   and (room.free_at > clock_timestamp() or waiting.oldest < clock_timestamp() - interval '5 minutes')
union all
select 'notices dead', n.channel, 'notices for ' || n.channel || ' were given up',
       count(*) || ' in the last day, the last because: ' || coalesce((array_agg(n.answer order by n.id desc))[1], 'no answer kept')
       || '; once that is fixed: ' || how_to('UPDATE notice SET state = ''waiting'' WHERE state = ''dead'';', 'notify resend'),
       'error', min(n.not_before)
  from notice n where n.state = 'dead' and n.not_before > clock_timestamp() - interval '1 day' group by n.channel
union all
select 'quota low', q.upstream || ' per ' || q.per, 'quota of ' || q.upstream || ' is nearly spent',
       q.used || ' of ' || case when q.per like 'day of %' then count_words(q.allowed, 'call') || ' a ' || q.per
                             else rate_words(q.allowed, q.per_interval) end || ' used', 'warning', null
  from quota_status q where q.per_interval >= interval '1 hour' and q.used >= 0.9 * q.allowed and q.allowed >= 10
union all
select 'blocked', u.upstream, u.upstream || ' is blocked',
       coalesce(u.blocked_reason, 'no reason kept') || '; no calls before '
       || to_char(u.blocked_until at time zone 'UTC', 'YYYY-MM-DD HH24:MI') || ' UTC; sooner: '
       || how_to('SELECT unblock(''' || u.upstream || ''', ''why'');', 'upstream unblock ' || u.upstream), 'error', null
  from upstream_state u where u.blocked_until > clock_timestamp()
   -- A short pause, the first in a row, is how limits work.
   and (u.failures >= 2 or u.blocked_until > clock_timestamp() + interval '5 minutes')
union all
select 'rule wrong', r.name, 'rule ' || r.name || ' cannot be read and matches nothing',
       s.error || coalesce('; ' || s.hint, ''), 'error', s.checked_at
  from rule r join rule_state s on s.rule = r.name and s.revision = r.revision
 where r.enabled and s.error is not null
union all
select 'partitions', p.table_name, 'table ' || p.table_name || ' lacks partitions',
       p.problem || '; the schedule retention makes them: ' || how_to('SELECT run_now(''retention'');', 'schedule run retention'), p.severity, null
  from partition_troubles() p;

create or replace function send_test(channel_name text) returns text language plpgsql as $$
declare
    target channel;
    written notice;
begin
    perform require_operator('notice', 'insert into');
    select * into target from channel where name = channel_name;
    if target.name is null then
        raise exception 'no channel named "%"', channel_name
            using errcode = 'P0002', hint = did_you_mean(channel_name, (select array_agg(name) from channel)) || format('Channels: %s',
                (select coalesce(string_agg(name, ', ' order by name), 'none yet; INSERT INTO channel …') from channel));
    end if;
    if not target.enabled then
        raise exception 'channel "%" is disabled', channel_name
            using hint = format('UPDATE channel SET enabled = true WHERE name = %L;', channel_name);
    end if;
    insert into notice (channel, key, content)
    values (target.name, 'test ' || gen_random_uuid(),
            jsonb_build_object('title', 'Test',
                               'text', format('Watchkeeper can reach you through the channel %s.', target.name)))
    returning * into written;
    perform request_run('send-notices', 'test of ' || target.name);
    return format('Notice %s goes to %s; the server''s answer: %s', written.id, target.name,
                  how_to('SELECT * FROM notice_log LIMIT 5;', 'notify outbox'));
end
$$;

create or replace function upstream_edited() returns trigger
language plpgsql security definer set search_path = public, pg_temp
as $$
declare
    -- Two, when a quota is given to another upstream.
    edited text[] := case tg_table_name when 'upstream' then array[to_jsonb(new) ->> 'name']
                                        else array[to_jsonb(old) ->> 'upstream', to_jsonb(new) ->> 'upstream'] end;
begin
    -- Beat looks at waiting batches again.
    update upstream_state set next_permit_at = clock_timestamp(), spare = null
     where upstream in (select upstream from upstream_state where upstream = any(edited) order by upstream for update);
    perform pg_notify('watchkeeper', 'upstream');
    return null;
end
$$;

create or replace function quota_check() returns trigger
language plpgsql
as $$
begin
    if coalesce(new.calls, 0) < 1 then
        raise exception 'calls = % is not allowed for %', coalesce(new.calls::text, 'null'), new.upstream
            using errcode = '23514', column = 'calls',
                  hint = 'calls must be 1 or more; to stop calls disable the upstream: '
                         || how_to(format('UPDATE upstream SET enabled = false WHERE name = %L;', new.upstream),
                                   format('upstream set %s --disabled', new.upstream));
    end if;
    if isfinite(new.per) and (extract(year from new.per) <> 0 or extract(month from new.per) <> 0) then
        raise exception 'per = % has months or years, which have no fixed length', new.per
            using errcode = '23514', column = 'per', hint = 'per takes no months or years, write 30 days.';
    end if;
    if coalesce(new.per, interval '0') <= interval '0' then
        raise exception 'per = % is not a length of time', coalesce(new.per::text, 'null')
            using errcode = '23514', column = 'per', hint = 'per must be longer than zero, e.g. per = ''1 minute''.';
    end if;
    if new.per > interval '31 days' then
        raise exception 'per = % is too long', new.per
            using errcode = '23514', column = 'per', hint = 'per is at most 31 days: calls are counted no longer than that.';
    end if;
    if new.timezone is not null then
        if new.per <> interval '1 day' then
            raise exception 'per = % is not a calendar day', new.per
                using errcode = '23514', column = 'per',
                      hint = 'A quota with a timezone counts calendar days: per must be 1 day. For a rolling window: timezone = NULL.';
        end if;
        perform schedule_check_timezone(new.timezone);
    end if;
    if not exists (select from upstream where name = new.upstream) then
        raise exception 'no upstream named "%"', new.upstream
            using errcode = '23503', column = 'upstream',
                  hint = did_you_mean(new.upstream, (select array_agg(name) from upstream)) || 'Upstreams: ' || coalesce((select string_agg(name, ', ' order by name) from upstream), 'none yet') || '.';
    end if;
    return new;
end
$$;

create or replace function upstream_check() returns trigger
language plpgsql
as $$
declare
    written inet;
    why text;
begin
    if new.name !~ '^[a-z0-9]+(_[a-z0-9]+)*$' then
        raise exception 'name "%" is not made of lower-case words and digits joined by _', left(new.name, 100)
            using errcode = '23514', column = 'name', hint = 'Write e.g. ''head_fi''.';
    end if;
    if new.base_url !~ '^(https?|smtps?|smtp[+]starttls)://[^/]' then
        raise exception 'base_url of % is not a URL', new.name
            using errcode = '23514', column = 'base_url', hint = 'base_url must begin with http(s):// or smtp(s)://, e.g. ''https://api.example.org''.';
    end if;
    if tg_op = 'INSERT' or new.base_url <> old.base_url then
        -- A first look; each call looks again at the address that it is about to connect to.
        begin
            written := url_address(new.base_url);
        exception when invalid_text_representation then
            raise exception 'base_url of % has an invalid host', new.name
                using errcode = '23514', column = 'base_url',
                      hint = 'Write an IPv4 address as four decimal numbers, an IPv6 address in brackets, or a name.';
        end;
        why := address_refusal(written);
        if why is not null then
            raise exception 'base_url of % leads to % (%), where no call may go', new.name, host(written), why
                using errcode = '23514', column = 'base_url',
                      hint = format('An owner can allow it: INSERT INTO allowed_network (network, note) VALUES (%L, ''why'');', host(written));
        end if;
        if new.base_url ~ '[[:space:]]' then
            raise exception 'base_url of % contains a blank', new.name
                using errcode = '23514', column = 'base_url', hint = 'Write a blank of a path as %20.';
        end if;
        if new.base_url ~ '^[^:]+://[^/?#]*@' then
            raise exception 'base_url of % contains a login, which everybody who may read could see', new.name
                using errcode = '23514', column = 'base_url',
                      hint = 'Write the address without it. Keys of upstreams are settings of the workers, logins of mail servers are secrets of channels.';
        end if;
    end if;
    if coalesce(new.concurrency, 0) < 1 then
        raise exception 'concurrency = % is not allowed for %', coalesce(new.concurrency::text, 'null'), new.name
            using errcode = '23514', column = 'concurrency',
                  hint = 'concurrency must be 1 or more; to stop calls: '
                         || how_to(format('UPDATE upstream SET enabled = false WHERE name = %L;', new.name),
                                   format('upstream set %s --disabled', new.name));
    end if;
    if new.spacing is null or extract(year from new.spacing) <> 0 or extract(month from new.spacing) <> 0
       or new.spacing < interval '0' or new.spacing > interval '1 day' then
        raise exception 'spacing = % is not allowed for %', coalesce(new.spacing::text, 'null'), new.name
            using errcode = '23514', column = 'spacing',
                  hint = 'spacing cannot be negative and is at most 1 day, e.g. ''2 seconds''. For longer pauses add a quota, e.g. calls = 1, per = ''3 days''.';
    end if;
    return new;
end
$$;
