create or replace function permit_refusal(
    rules upstream, state upstream_state, now_ timestamptz, recount boolean,
    out free_at timestamptz, out reason text, out cause text, out window_length interval, out spare integer
)
language plpgsql stable
set plan_cache_mode = force_generic_plan
as $$
declare
    limits record;
    nth timestamptz;
    used integer;
    places integer;
    spaced interval;
    -- Windows that hold more than this are counted only when what was spare at the last count is used up.
    wide constant integer := 50;
    -- A stamp lies at most so long after its call was let through: older partitions are not looked at.
    longest constant interval := max_permit_lease();
    begins timestamptz;
    leaves_at timestamptz;
begin
    if not rules.enabled then
        free_at := now_ + interval '1 day';
        reason := 'disabled' || coalesce(': ' || rules.note, '');
        cause := 'disabled';
        return;
    elsif state.blocked_until > now_ then
        free_at := state.blocked_until;
        reason := 'blocked: ' || coalesce(state.blocked_reason, 'no reason kept');
        cause := 'blocked';
        return;
    end if;
    -- In flight: a stamp that lies ahead.  A response usually comes long before the lease ends, so look
    -- again soon.  After a block one call goes first; the others wait for its response.
    places := case when state.failures > 0 and state.blocked_until is not null then 1 else rules.concurrency end;
    select stamp into nth from permit where upstream = rules.name and stamp > now_
       and granted_at > now_ - longest order by stamp desc offset places - 1 limit 1;
    if found then
        free_at := now_ + interval '50 milliseconds';
        reason := places || case places when 1 then ' call' else ' calls' end || ' in flight';
        cause := 'in flight';
    end if;
    spaced := greatest(rules.spacing, case when rules.obey_robots then state.crawl_delay end,
        (select max(per / calls) from quota where upstream = rules.name and paced));
    if spaced > interval '0' then
        select stamp into nth from permit where upstream = rules.name and stamp > now_ - spaced
           and granted_at > now_ - spaced - longest order by stamp desc limit 1;
        if found and least(nth, now_) + spaced > coalesce(free_at, now_) then
            free_at := least(nth, now_) + spaced;
            reason := 'one call per ' || spaced;
            cause := 'spacing';
        end if;
    end if;
    for limits in select calls, per, timezone from quota where upstream = rules.name
    loop
        begins := window_start(limits.per, limits.timezone, now_);
        if limits.calls > wide then
            continue when state.spare > 0 and not recount;
            select count(*), min(stamp) into used, nth
              from (select stamp from permit where upstream = rules.name and stamp > begins
                       and granted_at > begins - longest order by stamp desc limit limits.calls) youngest;
            if used < limits.calls then
                spare := least(spare, limits.calls - used);
                continue;
            end if;
        else
            select stamp into nth from permit where upstream = rules.name and stamp > begins
               and granted_at > begins - longest order by stamp desc offset limits.calls - 1 limit 1;
            continue when not found;
        end if;
        leaves_at := window_free(nth, limits.per, limits.timezone, now_);
        if leaves_at > coalesce(free_at, now_) then
            free_at := leaves_at;
            reason := limits.calls || ' calls per ' || limits.per || coalesce(' of ' || limits.timezone, '');
            cause := 'quota';
            window_length := limits.per;
        end if;
    end loop;
end
$$;

comment on function permit_refusal(upstream, upstream_state, timestamptz, boolean) is
    'Why a call may not be made now and when to ask again (free_at, cause: disabled, blocked, in flight, spacing, quota); free_at is null when it may';

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
)
select 'failing' as kind, s.name as subject,
       s.name || ' failed' || case when st.consecutive_failures > 1 then ' ' || st.consecutive_failures || ' times in a row' else '' end as title,
       coalesce(case when last.state = 'partial' then last.failed || ' of ' || last.total || ' items failed: ' else '' end
                || coalesce(last.error, last.reason), 'no reason kept') as text,
       'error' as severity, last.finished_at as since
  from at_work s join schedule_state st on st.schedule = s.name
  left join lateral (select * from run r where r.schedule = s.name and r.state in ('failed', 'partial')
                       and run_is_failure(r, s.alert_on_partial) order by r.created_at desc limit 1) last on true
 where st.tripped_at is null and st.consecutive_failures > 0 and st.consecutive_failures >= s.alert_after
union all
select 'tripped', s.name, s.name || ' paused itself', st.tripped_reason, 'error', st.tripped_at
  from at_work s join schedule_state st on st.schedule = s.name
 where st.tripped_at is not null
union all
select 'late', s.name, s.name || ' is late',
       'due ' || to_char(st.claim_at at time zone 'UTC', 'YYYY-MM-DD HH24:MI') || ' UTC and not begun; is a beat running?',
       'error', st.claim_at
  from at_work s join schedule_state st on st.schedule = s.name
 where st.tripped_at is null and st.error is null
   and not (select paused from pause_switch) and st.claim_at < statement_timestamp() - interval '1 minute'
union all
select 'set aside', s.name, s.name || ' is set aside: beat cannot plan it', st.error, 'error', st.error_at
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
       case waiting.number when 1 then '1 batch is' when 1000 then '1000 or more batches are' else waiting.number || ' batches are' end
       || ' ready, the oldest made ' || sign_words(clock_timestamp() - waiting.oldest), 'error', waiting.oldest
  from (select queue from task_kind where retired_at is null
        union select queue from schedule where queue is not null
        except select jsonb_array_elements_text(queues) from sign where role = 'worker' and alive) unserved
 cross join lateral (
     select count(*) as number, min(due.created_at) as oldest
       from (select b.created_at from batch b
              where b.queue = unserved.queue and (b.state = 'sent' or b.state = 'waiting' and b.send_at <= clock_timestamp())
                and coalesce(b.not_before <= clock_timestamp(), true)
              limit 1000) due) waiting
 where waiting.oldest < clock_timestamp() - interval '30 seconds'
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
       q.used || ' of ' || q.allowed || ' calls per ' || q.per || ' used', 'warning', null
  from quota_status q where q.per_interval >= interval '1 hour' and q.used >= 0.9 * q.allowed and q.allowed >= 10
union all
select 'blocked', u.upstream, u.upstream || ' is blocked',
       coalesce(u.blocked_reason, 'no reason kept') || '; no calls before '
       || to_char(u.blocked_until at time zone 'UTC', 'YYYY-MM-DD HH24:MI') || ' UTC; sooner: SELECT unblock(''' || u.upstream || ''', ''why'');', 'error', null
  from upstream_state u where u.blocked_until > clock_timestamp() and u.failures >= 2
union all
select 'rule wrong', r.name, 'rule ' || r.name || ' cannot be read and matches nothing',
       s.error || coalesce('; ' || s.hint, ''), 'error', s.checked_at
  from rule r join rule_state s on s.rule = r.name and s.revision = r.revision
 where r.enabled and s.error is not null
union all
select 'partitions', p.table_name, 'table ' || p.table_name || ' lacks partitions',
       p.problem || '; the schedule retention makes them: SELECT run_now(''retention'');', p.severity, null
  from partition_troubles() p;
comment on view trouble is
    'What is broken at the moment of reading; beat sends one notice when it breaks and one when it is over';
comment on column trouble.kind is
    'failing, tripped, late, set aside, paused, beat silent, worker silent, queue unserved, notices held, notices dead, quota low, blocked, rule wrong, partitions';
comment on column trouble.subject is 'Schedule, process, queue, channel, upstream or rule';
comment on column trouble.severity is 'error: schedule status and doctor exit 1; warning: it ends by itself';
comment on column trouble.since is 'Since when, as far as is known';

create or replace function cron_value(item text, field integer) returns integer
language plpgsql immutable
as $$
declare
    low integer[] := array[0, 0, 1, 1, 0];
    high integer[] := array[59, 23, 31, 12, 7];
    found integer;
begin
    if field = 4 and item ~ '^[a-z]{3}$' then
        return array_position(array['jan','feb','mar','apr','may','jun','jul','aug','sep','oct','nov','dec'], item);
    elsif field = 5 and item ~ '^[a-z]{3}$' then
        return array_position(array['sun','mon','tue','wed','thu','fri','sat'], item) - 1;
    elsif item !~ '^[0-9]{1,2}$' then
        return null;
    end if;
    found := item::integer;
    return case when found between low[field] and high[field] then found end;
end
$$;

comment on function cron_value(text, integer) is 'A number or name in field 1-5 of a cron text, or null when it does not belong there';

create or replace function cron_item_fits(item text, field integer) returns boolean
language plpgsql immutable
as $$
declare
    part text[] := regexp_match(item, '^(\*|[0-9]{1,2}|[a-z]{3})(?:-([0-9]{1,2}|[a-z]{3}))?(?:/([0-9]{1,2}))?$');
    most integer[] := array[59, 23, 31, 12, 7];
    low integer;
    high integer;
begin
    if part is null or coalesce(part[3]::integer, 1) not between 1 and most[field] then
        return false;
    end if;
    if part[1] = '*' then
        return part[2] is null;
    end if;
    low := cron_value(part[1], field);
    if low is null or part[2] is null then
        return low is not null;
    end if;
    high := cron_value(part[2], field);
    return high is not null and low <= high;
end
$$;

comment on function cron_item_fits(text, integer) is 'Whether one item of a list fits field 1-5 of a cron text';

create or replace function cron_problem(cron text, out message text, out hint text)
language plpgsql immutable
as $$
declare
    longest integer[] := array[31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    macros text[] := array['@hourly','@daily','@midnight','@weekly','@monthly','@yearly','@annually'];
    names text[] := array['minute', 'hour', 'day', 'month', 'weekday'];
    ranges text[] := array['0-59', '0-23', '1-31', '1-12', '0-7'];
    spaces text := E' \t\n\r\f\v';
    one text;
    fields text[];
    first_day integer;
    meet boolean;
begin
    if length(cron) > 500 then
        message := 'cron is too long';
        hint := 'At most 500 characters.';
        return;
    end if;
    -- The empty text has one expression, the empty one; string_to_array would find none.
    -- Only ASCII letters are made lower-case: lower() depends on the database's locale.
    foreach one in array case when cron = '' then array[''] else string_to_array(cron, ';') end loop
        one := btrim(translate(one, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ', 'abcdefghijklmnopqrstuvwxyz'), spaces);
        fields := case when one = '' then '{}' else regexp_split_to_array(one, '[' || spaces || ']+') end;
        -- With "and" before the weekday both day and weekday must match, as in Celery's crontab.
        meet := cardinality(fields) = 6 and fields[5] = 'and';
        if meet then
            fields := fields[1:4] || fields[6];
        end if;
        if cardinality(fields) = 1 and one = any (macros) then
            continue;
        end if;
        if cardinality(fields) = 1 and one like '@%' then
            message := format('cron "%s": there is no "%s"', one, one);
            hint := 'Short forms: ' || array_to_string(macros, ', ');
            return;
        end if;
        if cardinality(fields) <> 5 then
            message := format('cron "%s" has %s fields, needs 5', one, cardinality(fields));
            hint := 'minute hour day month weekday, e.g. ''30 17 * * 1-5'' = 17:30 on weekdays.';
            return;
        end if;
        for number in 1..5 loop
            if not (select bool_and(cron_item_fits(item, number))
                      from unnest(string_to_array(fields[number], ',')) item) then
                message := format('cron "%s": bad %s field "%s"', one, names[number], fields[number]);
                hint := format('%s must be *, a number %s, a range a-b, a list a,b or a step */n.',
                               names[number], ranges[number]);
                return;
            end if;
        end loop;
        -- A first day that no month of the list has (31 February) would never come.  It matters only
        -- when day and weekday must both match.
        if meet or fields[3] like '*%' or fields[5] like '*%' then
            select min(cron_value(substring(item from '^[0-9]+'), 3)) into first_day
              from unnest(string_to_array(fields[3], ',')) item
             where item not like '*%';
            if fields[3] !~ '(^|,)\*' and not exists (
                select from unnest(string_to_array(fields[4], ',')) item,
                            regexp_match(item, '^(\*|[0-9]+|[a-z]+)(?:-([0-9]+|[a-z]+))?(?:/([0-9]+))?$') part,
                            generate_series(coalesce(cron_value(part[1], 4), 1),
                                            case when part[2] is not null then cron_value(part[2], 4)
                                                 when part[1] = '*' or part[3] is not null then 12
                                                 else cron_value(part[1], 4) end,
                                            coalesce(part[3]::integer, 1)) month
                 where longest[month] >= first_day) then
                message := format('cron "%s" would never run: no such date', one);
                hint := 'April, June, September and November have 30 days, February at most 29.';
                return;
            end if;
        end if;
    end loop;
end
$$;

comment on function cron_problem(text) is
    'Why a cron text is wrong, with a hint; null when it is right (beat/time/cron.py decides the same)';

create or replace view recent_runs as
select r.ago, r.name, r.trigger, r.state, r.summary, r.took, r.done, r.failed, r.deferred, r.total, r.due_at, r.created_at, r.id,
       r.started_at, r.finished_at, r.took_interval, r.requested_by, 1 as runs
  from every_run r where r.idle is not true
union all
select ago_words(folded.at), s.name, null, 'succeeded', folded.runs || ' × nothing to do within a day', null,
       0, 0, 0, 0, null, folded.at, folded.id, null, null, null, null, folded.runs
  from schedule s
 cross join lateral (
     select max(r.created_at) as at, count(*)::integer as runs, (array_agg(r.id order by r.created_at desc))[1] as id
       from run r
      where r.schedule = s.name and r.created_at > clock_timestamp() - interval '1 day' and run_is_idle(r)) folded
 where s.task like any ('{tasks.upkeep.%,tasks.watches.%}') and folded.runs > 0
 order by created_at desc;

drop function rate_words(bigint, interval);
drop function count_words(bigint, text, text);
