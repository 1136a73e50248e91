create or replace function schedule_difference(old_row jsonb, new_row jsonb) returns jsonb
language sql immutable
as $$
    select coalesce(jsonb_object_agg(key, jsonb_build_array(old_row -> key, new_row -> key)), '{}')
      from jsonb_object_keys(coalesce(new_row, old_row)) key
     where (old_row -> key) is distinct from (new_row -> key)
       and key not in ('revision', 'updated_at', 'updated_by')
       and not (coalesce(old_row -> key, 'null') = 'null' and coalesce(new_row -> key, 'null') = 'null')
$$;

comment on function schedule_difference(jsonb, jsonb) is
    'Only what differs between two states of a schedule: {"every": ["04:00:00", "02:00:00"]}';

drop view schedule_status;
drop view recent_changes;
drop view schedule_change;
drop function audit() cascade;
drop function undo_change(bigint);
create table schedule_change (
    id         bigint      generated always as identity,
    schedule   text        not null,
    action     text        not null,
    changes    jsonb       not null,
    changed_at timestamptz default clock_timestamp() not null,
    changed_by text        not null,
    program    text,
    constraint schedule_change_pkey primary key (id)
);
create index schedule_change_by_schedule on schedule_change (schedule, changed_at);
create index schedule_change_by_time on schedule_change (changed_at);
comment on table schedule_change is 'The audit: what changed, from what to what, by whom, with which program.';
comment on column schedule_change.id is 'Order of the changes';
comment on column schedule_change.schedule is 'Name of the schedule';
comment on column schedule_change.action is 'insert | update | delete';
comment on column schedule_change.changes is 'Only what changed: {"every": ["04:00:00", "02:00:00"]}';
comment on column schedule_change.changed_at is 'When';
comment on column schedule_change.changed_by is 'Person or role';
comment on column schedule_change.program is 'application_name of the session';
insert into schedule_change (schedule, action, changes, changed_at, changed_by, program)
select case table_name when 'pause_switch' then '(all)' else name end, action,
       (select coalesce(jsonb_object_agg(k, jsonb_build_array(old -> k, new -> k)), '{}') from jsonb_object_keys(coalesce(new, old)) k),
       changed_at, changed_by, program
  from change where table_name in ('schedule', 'pause_switch') order by id;
drop table change;
drop function row_values(jsonb);
drop function row_difference(jsonb, jsonb);
drop function row_key(jsonb, text[]);
drop function row_name(jsonb, text[]);
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
                then (select c.changed_by from schedule_change c where c.schedule = s.name and c.changes ? 'paused_until'
                       order by c.changed_at desc limit 1) end as paused_by,
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
create or replace view recent_changes as
select c.changed_at, c.changed_by, c.program, c.schedule,
       case c.action when 'update' then
           (select string_agg(key || ': ' || coalesce(value ->> 0, 'null') || ' -> ' || coalesce(value ->> 1, 'null'), ', ')
              from jsonb_each(c.changes))
       else rtrim(c.action, 'e') || 'ed' end as change, c.changes
  from schedule_change c order by c.id desc;
comment on view recent_changes is 'Who changed what, the newest first; add LIMIT';

create or replace function schedule_edited() returns trigger
language plpgsql security definer set search_path = public, pg_temp
as $$
declare
    changed bigint;
    known bigint;
begin
    if tg_op = 'INSERT' then
        insert into schedule_edit (schedule) select name from new_rows;
        insert into schedule_change (schedule, action, changes, changed_by, program)
        select name, 'insert', schedule_difference(null, to_jsonb(n)), actor(),
               current_setting('application_name')
          from new_rows n;
    elsif tg_op = 'UPDATE' then
        insert into schedule_edit (schedule)
        select n.name from new_rows n join old_rows o using (name)
         where n.revision is distinct from o.revision;
        get diagnostics changed = row_count;
        if changed = 0 then
            return null;
        end if;
        insert into schedule_change (schedule, action, changes, changed_by, program)
        select n.name, 'update', schedule_difference(to_jsonb(o), to_jsonb(n)), actor(),
               current_setting('application_name')
          from new_rows n join old_rows o using (name)
         where n.revision is distinct from o.revision;
    else
        insert into schedule_edit (schedule) select name from old_rows;
        insert into schedule_change (schedule, action, changes, changed_by, program)
        select name, 'delete', schedule_difference(to_jsonb(o), null), actor(),
               current_setting('application_name')
          from old_rows o;
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
        insert into schedule_change (schedule, action, changes, changed_by, program)
        values ('(all)', 'update', schedule_difference(to_jsonb(old) - 'changed_at' - 'changed_by',
                                                       to_jsonb(new) - 'changed_at' - 'changed_by'),
                actor(), current_setting('application_name'));
        perform pg_notify('watchkeeper', 'edit');
    end if;
    return null;
end
$$;

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

alter table run_request drop column new_run_id;
drop table run_count;
drop table queue_sample;
drop table upstream_sample;
alter table schedule_state
    drop column last_run_id, drop column last_run_at, drop column last_state, drop column last_summary,
    drop column success_share, drop column partial_share, drop column median_duration;

comment on function schedule_edited() is
    'Trigger: appends the edit for beat and the audit, and wakes every beat, once a statement';
