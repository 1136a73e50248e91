create or replace function rule_edited() returns trigger
language plpgsql
as $$
begin
    new.revision := case tg_op when 'INSERT' then 1 else old.revision + 1 end;
    new.updated_at := clock_timestamp();
    return new;
end
$$;
comment on function rule_edited() is 'Trigger: raises revision, so that the rule is parsed again';

create or replace function rule_to_check() returns trigger
language plpgsql
as $$
begin
    insert into run_request (action, schedule, by_system, note)
    select 'run', name, true, 'rules were edited' from schedule where name = 'check-rules';
    return null;
end
$$;
comment on function rule_to_check() is 'Trigger: edited rules are parsed at once';

create or replace function rules_left_unread() returns trigger
language plpgsql security definer set search_path = public, pg_temp
as $$
begin
    insert into run_request (action, schedule, by_system, note)
    select 'run', name, true, 'rules were edited during a pause' from schedule
     where name = 'check-rules'
       and exists (select from rule r left join rule_state s on s.rule = r.name where s.revision is distinct from r.revision);
    return null;
end
$$;
comment on function rules_left_unread() is 'Trigger: rules that were edited during a pause are parsed when it ends';

create or replace function rule_disabled() returns trigger
language plpgsql security definer set search_path = public, pg_temp
as $$
begin
    update notice n set state = 'dropped', answer = 'the rule was disabled'
      from match m where m.id = n.match_id and m.rule = new.name and n.state = 'waiting';
    return null;
end
$$;
comment on function rule_disabled() is 'Trigger: what waits of a rule that is disabled is not sent';

create or replace trigger rule_edited before insert or update on rule
    for each row execute function rule_edited();
create or replace trigger rule_to_check after insert or update on rule
    for each statement execute function rule_to_check();
create or replace trigger rule_disabled after update of enabled on rule
    for each row when (old.enabled and not new.enabled) execute function rule_disabled();
create or replace trigger rules_left_unread after update on pause_switch
    for each row when (old.paused and not new.paused) execute function rules_left_unread();
create or replace trigger rules_left_unread after update on schedule
    for each row when (new.name = 'check-rules' and new.enabled and coalesce(new.paused_until, '-infinity') <= clock_timestamp())
    execute function rules_left_unread();

create or replace view rule_status as
select r.name, r.subject, r.expression,
       case when not r.enabled then 'disabled'
            when s.revision is distinct from r.revision then 'not yet read'
            when s.error is not null then 'wrong: ' || s.error
            else 'active' end as state,
       case when s.revision = r.revision and s.error is not null
            then left(r.expression, s.error_at) || ' ⟶ ' || substr(r.expression, s.error_at + 1) end as wrong_at,
       case when s.revision = r.revision then s.hint end as hint,
       (select count(*) from match m where m.rule = r.name) as matches,
       (select max(m.matched_at) from match m where m.rule = r.name) as last_match_at,
       case when r.channels is null then 'every channel' when r.channels = '{}' then 'none'
            else (select string_agg(one || case when c.enabled then '' else ' (disabled)' end, ', ' order by place)
                    from unnest(r.channels) with ordinality named(one, place) left join channel c on c.name = one) end as channels,
       r.note
  from rule r left join rule_state s on s.rule = r.name
 order by r.name;
comment on view rule_status is 'Each rule: whether it is active, if not its error, and what it found';

create or replace view notice_log as
select n.id, n.channel, n.state, coalesce(m.title, n.content ->> 'title') as what, m.rule, m.occasion,
       n.attempts, n.answer, n.created_at, n.sent_at, extract(epoch from n.sent_at - m.matched_at)::float8 as seconds,
       n.run_id
  from notice n left join match m on m.id = n.match_id
 order by n.id desc;
comment on view notice_log is 'The outbox: messages to people, through which channel, and what its server answered';
