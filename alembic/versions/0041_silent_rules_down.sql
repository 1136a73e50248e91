create or replace function rule_check() returns trigger
language plpgsql
as $$
declare
    known subject;
begin
    select * into known from subject where name = new.subject;
    if not found then
        raise exception 'subject: no watch finds a %', new.subject
            using errcode = '23514', column = 'subject',
                  hint = 'Subjects: ' || (select string_agg(name, ', ' order by name) from subject);
    end if;
    if new.currency is not null and not known.has_currency then
        raise exception 'currency: rules on % have none', known.plural
            using errcode = '23514', column = 'currency',
                  hint = 'Subjects with one: '
                         || (select string_agg(name, ', ' order by name) from subject where has_currency);
    end if;
    return new;
end
$$;
comment on function rule_check() is 'Trigger: refuses a subject that no watch finds, and a currency where there is none';

create or replace trigger rule_check
    before insert or update of subject, currency on rule
    for each row execute function rule_check();

drop trigger global_filter_check on global_filter;
-- squawk-ignore ban-drop-function
drop function global_filter_check();
drop trigger channel_named_check on channel;
-- squawk-ignore ban-drop-function
drop function channel_named_check();
