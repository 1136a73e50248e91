
create table change (
    id         bigint      generated always as identity,
    table_name text        not null,
    key        jsonb       not null,
    name       text        not null,
    action     text        not null,
    old        jsonb,
    new        jsonb,
    changed_at timestamptz default clock_timestamp() not null,
    changed_by text        not null,
    program    text,
    operation  uuid,
    undo_of    bigint,
    constraint change_pkey primary key (id)
);
create index change_by_name on change (table_name, name, id desc);
create index change_by_time on change (changed_at);
create index change_by_operation on change (operation) where operation is not null;
create index change_by_undo_of on change (undo_of) where undo_of is not null;
comment on table change is 'The audit: who changed what from what to what, in every table that people own.';
comment on column change.id is 'Order of the changes';
comment on column change.table_name is 'The table';
comment on column change.key is 'The row: {"name": "prices-nightly"}';
comment on column change.name is 'The row for people: the columns of its key';
comment on column change.action is 'insert | update | delete';
comment on column change.old is 'Before; of an update only what changed';
comment on column change.new is 'After; of an update only what changed';
comment on column change.changed_at is 'When';
comment on column change.changed_by is 'Person or login';
comment on column change.program is 'application_name of the session';
comment on column change.operation is 'The same for all edits of one action on many';
comment on column change.undo_of is 'The change that this one undid';

insert into change (table_name, key, name, action, old, new, changed_at, changed_by, program)
select case schedule when '(all)' then 'pause_switch' else 'schedule' end,
       case schedule when '(all)' then '{"single": true}' else jsonb_build_object('name', schedule) end,
       case schedule when '(all)' then 'true' else schedule end, action,
       case when action <> 'insert' then (select coalesce(jsonb_object_agg(k, v -> 0), '{}') from jsonb_each(changes) e(k, v)) end,
       case when action <> 'delete' then (select coalesce(jsonb_object_agg(k, v -> 1), '{}') from jsonb_each(changes) e(k, v)) end,
       changed_at, changed_by, program
  from schedule_change order by id;

-- Both are made again below, in this transaction.
-- squawk-ignore ban-drop-view
drop view schedule_status;
-- squawk-ignore ban-drop-view
drop view recent_changes;
-- squawk-ignore ban-drop-table
drop table schedule_change;
create or replace function row_difference(one jsonb, other jsonb) returns jsonb
language sql immutable
as $$
    select coalesce(jsonb_object_agg(key, one -> key), '{}')
      from jsonb_object_keys(one) key
     where (one -> key) is distinct from (other -> key)
       and key not in ('revision', 'updated_at', 'updated_by', 'changed_at', 'changed_by', 'password')
$$;
comment on function row_difference(jsonb, jsonb) is
    'Columns of the first row that differ in the second, without what triggers write and without secrets';

create or replace function row_values(one jsonb) returns jsonb
language sql immutable
as $$ select coalesce(jsonb_object_agg(key, value), '{}') from jsonb_each(row_difference(one, '{}')) where value <> 'null' $$;
comment on function row_values(jsonb) is 'A whole row for the audit, without nulls';

create or replace function row_key(one jsonb, keys text[]) returns jsonb
language sql immutable
as $$ select jsonb_object_agg(key, one -> key) from unnest(keys) key $$;
comment on function row_key(jsonb, text[]) is 'The columns of its key: {"name": "prices-nightly"}';

create or replace function row_name(key jsonb, keys text[]) returns text
language sql immutable
as $$ select string_agg(key ->> one, ' / ' order by place) from unnest(keys) with ordinality each(one, place) $$;
comment on function row_name(jsonb, text[]) is 'The key of a row for people: alpha_vantage / 00:01:00';

create or replace function audit() returns trigger
language plpgsql security definer
set search_path = public, pg_temp set timezone = 'UTC' set intervalstyle = 'postgres'
as $$
declare
    keys constant text[] := array(select attname::text from pg_index i join pg_attribute a on a.attrelid = i.indrelid and a.attnum = any(i.indkey)
                                   where i.indrelid = tg_relid and i.indisprimary order by a.attnum);
    operation constant uuid := nullif(current_setting('app.operation', true), '')::uuid;
    undone constant bigint := nullif(current_setting('app.undo_of', true), '')::bigint;
begin
    if tg_op = 'INSERT' then
        insert into change (table_name, key, name, action, old, new, changed_by, program, operation, undo_of)
        select tg_table_name, k, row_name(k, keys), 'insert', null, row_values(n), actor(),
               current_setting('application_name'), operation, undone
          from (select to_jsonb(r) as n from new_rows r) rows, row_key(n, keys) k;
    elsif tg_op = 'DELETE' then
        insert into change (table_name, key, name, action, old, new, changed_by, program, operation, undo_of)
        select tg_table_name, k, row_name(k, keys), 'delete', row_values(o), null, actor(),
               current_setting('application_name'), operation, undone
          from (select to_jsonb(r) as o from old_rows r) rows, row_key(o, keys) k;
    else
        -- A row whose key changed is one that went and one that came.
        insert into change (table_name, key, name, action, old, new, changed_by, program, operation, undo_of)
        select tg_table_name, k, row_name(k, keys), case when o is null then 'insert' when n is null then 'delete' else 'update' end,
               case when n is null then row_values(o) else before end,
               case when o is null then row_values(n) else after end,
               actor(), current_setting('application_name'), operation, undone
          from (select to_jsonb(r) as o, row_key(to_jsonb(r), keys) as key from old_rows r) olds
          full join (select to_jsonb(r) as n, row_key(to_jsonb(r), keys) as key from new_rows r) news using (key),
               lateral (select key as k) k,
               lateral (select case when o is not null then row_difference(o, coalesce(n, '{}')) end as before,
                               case when n is not null then row_difference(n, coalesce(o, '{}')) end as after) differ
         where before is distinct from after and (before <> '{}' or after <> '{}');
    end if;
    -- Open pages of the console look again.
    perform pg_notify('watchkeeper_change', tg_table_name);
    return null;
end
$$;
comment on function audit() is
    'Trigger of every table that people own, made by the migrate step: who changed what from what to what, with which program';

create or replace function undo_change(change_id bigint) returns change
language plpgsql
set timezone = 'UTC' set intervalstyle = 'postgres'
as $$
declare
    c change;
    target regclass;
    condition text;
    columns text;
    now_there jsonb;
    differ text;
    made change;
begin
    select * into c from change where id = change_id;
    if c.id is null then
        raise exception 'no change with id %', change_id
            using errcode = 'P0002', hint = 'SELECT id, what, change FROM recent_changes LIMIT 20;';
    end if;
    select tgrelid into target from pg_trigger
     where tgname = 'audit_updated' and tgrelid = to_regclass(format('public.%I', c.table_name));
    if target is null then
        raise exception 'a change of % cannot be undone here', c.table_name
            using errcode = '42501', hint = 'Ask an owner.';
    end if;
    perform require_operator(target, 'change');
    select string_agg(format('t.%1$I is not distinct from (jsonb_populate_record(null::%2$s, $1)).%1$I', name, target), ' and ')
      into condition from jsonb_object_keys(c.key) name;
    execute format('select to_jsonb(t) from %s t where %s for update', target, condition) into now_there using c.key;
    if c.action = 'delete' then
        differ := case when now_there is not null then 'it is there again' end;
    elsif now_there is null then
        differ := 'it is no longer there';
    else
        -- What was not kept was null.
        select 'changed since: ' || string_agg(name, ', ' order by name) into differ
          from jsonb_object_keys(case c.action when 'insert' then row_difference(now_there, '{}') else c.new end) name
         where coalesce(now_there -> name, 'null') is distinct from coalesce(c.new -> name, 'null');
    end if;
    if differ is not null then
        raise exception '% "%" cannot be undone: %', c.table_name, c.name, differ
            using errcode = 'WK412', hint = 'Make the edit by hand; recent_changes has the values of before.';
    end if;
    perform set_config('app.undo_of', c.id::text, true);
    if c.action = 'insert' then
        execute format('delete from %s t where %s', target, condition) using c.key;
    else
        select string_agg(quote_ident(a.attname), ', '), string_agg('r.' || quote_ident(a.attname), ', ')
          into columns, differ
          from pg_attribute a
         where a.attrelid = target and a.attgenerated = '' and c.old ? a.attname::text;
        execute case c.action
            when 'update' then format('update %1$s t set (%2$s) = (select %3$s from jsonb_populate_record(null::%1$s, $2) r) where %4$s',
                                      target, columns, differ, condition)
            else format('insert into %1$s (%2$s) overriding system value select %3$s from jsonb_populate_record(null::%1$s, $2) r',
                        target, columns, differ) end
          using c.key, c.old;
    end if;
    perform set_config('app.undo_of', '', true);
    select * into made from change where undo_of = c.id order by id desc limit 1;
    return made;
end
$$;
comment on function undo_change(bigint) is
    'Undo a change by a new edit; refused where its columns were changed since: SELECT undo_change(1841);';

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

create or replace view schedule_status as
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

comment on view schedule_status is 'Start here: every schedule, when it runs, how it went, when it runs next';
comment on column schedule_status.seen_by_beat is 'Whether beat has planned the latest edit';
comment on column schedule_status.success_rate is 'Of the last 20 runs; a partial one is no success';
comment on column schedule_status.partial_rate is 'Of the last 20 runs: those of which some items failed or were deferred';
comment on column schedule_status.pause_reason is 'Why it is paused now, or why everything is';
comment on column schedule_status.paused_by is 'Who paused it, or everything';
comment on column schedule_status.median_duration is 'Of the last 20 runs';

create or replace function schedule_edited() returns trigger
language plpgsql security definer set search_path = public, pg_temp
as $$
declare
    changed bigint;
    known bigint;
begin
    if tg_op = 'INSERT' then
        insert into schedule_edit (schedule) select name from new_rows;
    elsif tg_op = 'UPDATE' then
        insert into schedule_edit (schedule)
        select n.name from new_rows n join old_rows o using (name)
         where n.revision is distinct from o.revision;
        get diagnostics changed = row_count;
        if changed = 0 then
            return null;
        end if;
    else
        insert into schedule_edit (schedule) select name from old_rows;
        get diagnostics changed = row_count;
    end if;
    if changed > 1 then
        select count(*) + case tg_op when 'DELETE' then changed else 0 end into known from schedule;
        if changed = known then
            raise notice '% of % schedules %.', changed, known, case tg_op when 'DELETE' then 'deleted' else 'changed' end
                using hint = 'If you forgot WHERE name = ''…'': ROLLBACK now; or find the old values in recent_changes.';
        end if;
    end if;
    perform pg_notify('watchkeeper', 'edit');
    return null;
end
$$;

create or replace function pause_switched() returns trigger
language plpgsql security definer set search_path = public, pg_temp
as $$
begin
    if new.paused is distinct from old.paused then
        -- Every schedule is planned anew: while paused to nothing, when resumed from now on.
        insert into schedule_edit (schedule) select name from schedule;
        perform pg_notify('watchkeeper', 'edit');
    end if;
    return null;
end
$$;

-- squawk-ignore ban-drop-function
drop function schedule_difference(jsonb, jsonb);

alter table schedule_state
    add column last_run_id uuid,
    add column last_run_at timestamptz,
    add column last_state text,
    add column last_summary text,
    add column success_share real,
    add column partial_share real,
    add column median_duration interval;
comment on column schedule_state.last_run_id is 'Latest concluded run, but those skipped and missed';
comment on column schedule_state.last_run_at is 'When that run was decided';
comment on column schedule_state.last_state is 'How it ended';
comment on column schedule_state.last_summary is 'Its error, reason or summary';
comment on column schedule_state.success_share is 'Of its last 20 runs; a partial one is no success';
comment on column schedule_state.partial_share is 'Of its last 20 runs: those of which some items failed or were deferred';
comment on column schedule_state.median_duration is 'Of its last 20 runs';
-- Lists of the console sort by these.
-- squawk-ignore require-concurrent-index-creation
create index schedule_state_by_last_run on schedule_state (last_run_at desc nulls last, schedule);
-- squawk-ignore require-concurrent-index-creation
create index schedule_state_by_next_run on schedule_state (next_run_at nulls last, schedule);
-- squawk-ignore require-concurrent-index-creation
create index schedule_state_by_last_state on schedule_state (last_state nulls last, schedule);
-- squawk-ignore require-concurrent-index-creation
create index schedule_state_by_success on schedule_state (success_share nulls last, schedule);
-- squawk-ignore require-concurrent-index-creation
create index schedule_state_by_duration on schedule_state (median_duration desc nulls last, schedule);

update schedule_state st
   set last_run_id = l.id, last_run_at = l.created_at, last_state = l.state, last_summary = l.summary
  from (select distinct on (schedule) schedule, id, created_at, state,
               left(coalesce(error, reason, result ->> 'summary'), 500) as summary
          from run where schedule is not null and finished_at is not null and state not in ('missed', 'skipped')
         order by schedule, created_at desc) l
 where st.schedule = l.schedule;

alter table run_request add column new_run_id uuid;
comment on column run_request.new_run_id is 'Id that the run will have: of run and retry';

create table run_count (
    day    date   not null,
    task   text   not null,
    state  text   not null,
    number bigint not null,
    constraint run_count_pkey primary key (day, task, state)
);
comment on table run_count is 'Concluded runs by day (UTC), kind and state; beat counts them.';
comment on column run_count.day is 'Day (UTC) on which they ended';
comment on column run_count.task is 'The kind';
comment on column run_count.state is 'How they ended';
comment on column run_count.number is 'How many';

create table queue_sample (
    at      timestamptz not null,
    queue   text        not null,
    ready   bigint      not null,
    running bigint      not null,
    waiting bigint      not null,
    oldest  interval,
    constraint queue_sample_pkey primary key (at, queue)
);
comment on table queue_sample is 'Each queue, once a minute, for 48 hours; beat writes it.';
comment on column queue_sample.at is 'The minute';
comment on column queue_sample.queue is 'The queue';
comment on column queue_sample.ready is 'Batches that a worker could take';
comment on column queue_sample.running is 'Batches at work';
comment on column queue_sample.waiting is 'Batches that wait for an upstream';
comment on column queue_sample.oldest is 'Age of the oldest ready batch';

create table upstream_sample (
    at       timestamptz not null,
    upstream text        not null,
    calls    bigint      not null,
    outcomes jsonb       not null,
    waiting  bigint      not null,
    blocked  boolean     not null,
    constraint upstream_sample_pkey primary key (at, upstream)
);
comment on table upstream_sample is 'Each upstream, once a minute, for 48 hours; beat writes it.';
comment on column upstream_sample.at is 'The minute';
comment on column upstream_sample.upstream is 'The upstream';
comment on column upstream_sample.calls is 'Calls whose answer came in the minute before';
comment on column upstream_sample.outcomes is 'Those by status: {"200": 12, "429": 1, "none": 1}';
comment on column upstream_sample.waiting is 'Batches that wait for it';
comment on column upstream_sample.blocked is 'Whether it was blocked';
create or replace function run_request_check() returns trigger
language plpgsql
as $$
declare
    asked schedule;
begin
    if guarded_role(tg_relid) is not null then
        -- Who asked, and the answer, are not for people to write.
        new.requested_by := actor();
        new.program := current_setting('application_name');
        new.requested_at := clock_timestamp();
        new.answered_at := null;
        new.answer := null;
        new.answer_run_id := null;
        new.next_due_at := null;
    end if;
    -- The run that comes of it is known by its id before beat has answered.
    new.new_run_id := case when new.action in ('run', 'retry') then gen_random_uuid() end;
    if new.schedule is not null then
        asked := schedule_named(new.schedule);
        if new.options is not null then
            perform options_check(asked.task, asked.options || new.options,
                                  (select options_schema from task_kind where name = asked.task));
        end if;
        if new.action = 'backfill' and new.backfill_from is not null and new.backfill_until is not null then
            perform backfill_check(asked, new.backfill_from, new.backfill_until, coalesce(new.overlap, 'buffer_all'));
        end if;
    elsif new.run_id is not null and not exists (select from run where id = new.run_id) then
        raise exception 'no run with id %', new.run_id
            using errcode = 'P0002', hint = 'SELECT id, name FROM recent_runs LIMIT 10;';
    end if;
    return new;
end
$$;

comment on function schedule_edited() is
    'Trigger: appends the edit for beat and wakes every beat, once a statement';
