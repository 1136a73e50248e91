create or replace function schedule_named(wanted text) returns schedule
language plpgsql stable
as $$
declare
    found schedule;
begin
    select * into found from schedule where name = wanted;
    if found.name is null then
        raise exception 'no schedule named "%"', wanted
            using errcode = 'P0002',
                  hint = did_you_mean(wanted, (select array_agg(name) from schedule))
                         || 'Schedules: ' || coalesce((select string_agg(name, ', ' order by name) from (
                      select name from schedule order by name <-> wanted limit 12) near), 'none yet')
                         || case when (select count(*) from schedule) > 12
                                 then format(' (12 of %s: %s)', (select count(*) from schedule),
                                             how_to('SELECT name FROM schedule;', 'schedule list')) else '' end;
    end if;
    return found;
end
$$;
comment on function schedule_named(text) is 'The schedule of that name, or an error that lists the names';

create or replace function request_run(schedule_name text, reason text default null, with_options jsonb default null)
returns run_request language plpgsql
as $$
declare
    asked run_request;
    kept schedule := schedule_named(schedule_name);
begin
    perform require_operator('run_request', 'insert into');
    insert into run_request (action, schedule, options, note) values ('run', kept.name, with_options, reason)
    returning * into asked;
    return asked;
end
$$;
comment on function request_run(text, text, jsonb) is 'Request a run of a schedule, for programs: the row of run_request';

create or replace function run_now(schedule_name text, reason text default null, with_options jsonb default null)
returns text language plpgsql
as $$
declare
    asked run_request := request_run(schedule_name, reason, with_options);
begin
    return format('Run %s of %s is requested.%s', short_id(asked.new_run_id), asked.schedule,
                  case when exists (select from heartbeat where role = 'beat' and seen_at > clock_timestamp() - interval '30 seconds')
                       then ' Beat starts it now.' else ' No beat runs: it starts when one does.' end);
end
$$;
comment on function run_now(text, text, jsonb) is
    'Run a schedule now; answers with the id of the run: SELECT run_now(''prices-nightly'', ''why'');';

create or replace function pause(schedule_name text, why text default null, until timestamptz default 'infinity')
returns text language plpgsql
as $$
declare
    kept schedule := schedule_named(schedule_name);
begin
    perform require_operator('schedule', 'change');
    if until is null or until <= clock_timestamp() then
        raise exception 'a pause must end in the future, not at %', coalesce(until::text, 'null')
            using errcode = '23514', column = 'paused_until',
                  hint = how_to(format('SELECT pause(%L, ''why'', now() + interval ''2 hours''); without an end: SELECT pause(%L, ''why'');', kept.name, kept.name),
                                format('schedule pause %s --for 2h; without an end, leave --for out', kept.name));
    end if;
    -- A pause that is made longer keeps its reason.
    update schedule
       set paused_until = until,
           pause_reason = coalesce(nullif(btrim(why), ''), case when paused_until > clock_timestamp() then pause_reason end)
     where name = kept.name returning * into kept;
    perform schedule_says_disabled(kept);
    return format('%s %s%s%s.', kept.name, case when kept.enabled then 'is paused' else 'stays disabled and is paused' end,
                  case when until = 'infinity' then '' else ' until ' || to_char(until at time zone kept.timezone, 'YYYY-MM-DD HH24:MI') || ' ' || kept.timezone end,
                  coalesce(': ' || kept.pause_reason, ''));
end
$$;
comment on function pause(text, text, timestamptz) is 'Pause a schedule: SELECT pause(''prices-nightly'', ''why'', now() + interval ''2 hours'');';

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
comment on function resume(text) is 'End a pause, also an automatic one; plans from now on, without a backlog';

create or replace function schedule_says_disabled(s schedule) returns void language plpgsql
as $$
begin
    if not s.enabled then
        raise notice '"%" is disabled and does not run%', s.name, coalesce(': ' || s.note, '')
            using hint = 'To enable it: ' || how_to(format('UPDATE schedule SET enabled = true WHERE name = %L;', s.name),
                                                    format('schedule set %s --enabled', s.name));
    elsif (select paused from pause_switch) then
        raise notice 'everything is paused, and "%" with it', s.name using hint = 'To end that: ' || how_to('SELECT resume_all();', 'schedule resume --all');
    end if;
end
$$;
comment on function schedule_says_disabled(schedule) is 'Notice to whoever pauses or resumes a schedule that is disabled';

create or replace function stop_run(run text, reason text default null) returns text language plpgsql
as $$
declare
    wanted uuid;
    ended text;
begin
    perform require_operator('run_request', 'insert into');
    wanted := run_named(run);
    select r.state into ended from run r where r.id = wanted and r.finished_at is not null;
    insert into run_request (action, run_id, note) values ('stop', wanted, reason);
    return upper(left(run_words(wanted), 1)) || substr(run_words(wanted), 2)
           || coalesce(' has ended already: ' || ended || '.', ' is asked to stop.');
end
$$;
comment on function stop_run(text, text) is
    'Stop a run: waiting batches end at once, running ones at their next call; a schedule''s name stands for its last run';

create or replace function retry_run(run text, reason text default null, only_failed boolean default false)
returns text language plpgsql
as $$
declare
    wanted uuid;
    asked run_request;
    items bigint;
begin
    perform require_operator('run_request', 'insert into');
    wanted := run_named(run);
    if only_failed then
        select count(*) into items from batch, jsonb_array_elements(batch.items) item
         where batch.run_id = wanted and item ->> 'state' in ('failed', 'deferred', 'stopped');
        if items = 0 then
            raise exception '% has no item that did not succeed', run_words(wanted)
                using errcode = '23514', hint = 'To run all of it again: '
                      || how_to(format('SELECT retry_run(%L);', short_id(wanted)), 'schedule retry ' || short_id(wanted));
        end if;
    end if;
    insert into run_request (action, run_id, note, options)
    values ('retry', wanted, reason, case when only_failed then '{"items": "failed"}'::jsonb end) returning * into asked;
    return format('Run %s is requested: %s again, %s, with the same options.', short_id(asked.new_run_id), run_words(wanted),
                  case when only_failed then count_words(items, 'item') || ' that did not succeed' else 'all items' end);
end
$$;
comment on function retry_run(text, text, boolean) is
    'Run a run again with the same options; a schedule''s name stands for its last run; only the items that did not succeed: SELECT retry_run(''prices-nightly'', only_failed => true);';

create or replace function stop_run(run uuid, reason text default null) returns text language sql
as $$ select stop_run(run::text, reason) $$;
comment on function stop_run(uuid, text) is 'Stop a run, by the id that a column holds: SELECT stop_run(id) FROM running_now;';

create or replace function retry_run(run uuid, reason text default null, only_failed boolean default false) returns text language sql
as $$ select retry_run(run::text, reason, only_failed) $$;
comment on function retry_run(uuid, text, boolean) is 'Run a run again, by the id that a column holds: SELECT retry_run(id) FROM recent_failures;';

create or replace function pause_all(why text default null) returns text language plpgsql
as $$
begin
    perform require_operator('pause_switch', 'change');
    update pause_switch set paused = true, note = coalesce(nullif(btrim(why), ''), case when paused then note end);
    return 'Everything is paused; to end it: ' || how_to('SELECT resume_all();', 'schedule resume --all');
end
$$;
comment on function pause_all(text) is 'Pause everything with one switch; pauses of single schedules stay';

create or replace function resume_all() returns text language plpgsql
as $$
declare
    still bigint := (select count(*) from schedule where paused_until > clock_timestamp());
begin
    perform require_operator('pause_switch', 'change');
    update pause_switch set paused = false, note = null;
    return 'The pause of everything is over' || case when still > 0 then '; paused by themselves: ' || still else '' end || '.';
end
$$;
comment on function resume_all() is 'Undo pause_all; plans from now on, without a backlog';
