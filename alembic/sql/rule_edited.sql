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

create or replace trigger rule_edited before insert or update on rule
    for each row execute function rule_edited();
create or replace trigger rule_to_check after insert or update on rule
    for each statement execute function rule_to_check();

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
       coalesce(array_to_string(r.channels, ', '), 'every channel') as channels, r.note
  from rule r left join rule_state s on s.rule = r.name
 order by r.name;
comment on view rule_status is 'Each rule: whether it is active, if not its error, and what it found';

create or replace view notice_log as
select n.id, n.channel, n.state, coalesce(m.title, n.content ->> 'title') as what, m.rule, m.occasion,
       n.attempts, n.answer, n.created_at, n.sent_at, extract(epoch from n.sent_at - m.matched_at)::float8 as seconds
  from notice n left join match m on m.id = n.match_id
 order by n.id desc;
comment on view notice_log is 'The outbox: messages to people, through which channel, and what its server answered';
