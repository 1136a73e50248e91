create or replace function schedule_check_word(name text, given text, known text[]) returns void
language plpgsql stable
as $$
begin
    if not given = any (known) then
        raise exception '% = "%" is not known', name, given
            using errcode = '23514', column = name, 
                  hint = did_you_mean(given, known) || 'One of: ' || array_to_string(known, ', ') || '.';
    end if;
end
$$;

comment on function schedule_check_word(text, text, text[]) is 'Refuses a word that is not one of those known';

create or replace function schedule_check_values(new schedule) returns void
language plpgsql stable
as $$
declare
    name text;
    number integer;
    length interval;
begin
    if length(new.name) > 100 then
        raise exception 'name "%…" has % characters', left(new.name, 30), length(new.name)
            using errcode = '23514', column = 'name', hint = 'At most 100 characters.';
    elsif new.name !~ '^[a-z0-9]+(-[a-z0-9]+)*$' then
        raise exception 'name "%" is not made of lower-case words and digits joined by hyphens', left(new.name, 100)
            using errcode = '23514', column = 'name',
                  hint = format('Write e.g. %L.', coalesce(nullif(btrim(regexp_replace(lower(left(new.name, 100)), '[^a-z0-9]+', '-', 'g'), '-'), ''), 'prices-nightly'));
    end if;
    perform schedule_check_word('overlap', new.overlap, array['skip', 'buffer_one', 'buffer_all', 'cancel_other', 'allow_all']);
    perform schedule_check_word('catch_up', new.catch_up, array['latest', 'all', 'none']);
    perform schedule_check_word('calendar_hours', new.calendar_hours, array['day', 'session']);
    if new.priority not between 0 and 9 then
        raise exception 'priority = % is not allowed', new.priority
            using errcode = '23514', column = 'priority', hint = 'It must be a whole number from 0 to 9; 9 goes first.';
    end if;
    if new.alert_after is null or new.alert_after < 1 then
        raise exception 'alert_after = % is not allowed', coalesce(new.alert_after::text, 'null')
            using errcode = '23514', column = 'alert_after',
                  hint = 'It must be 1 or more: 1 reports the first failed run, 3 the third in a row.';
    elsif not (new.alert_on_partial > 0 and new.alert_on_partial <= 1) then
        raise exception 'alert_on_partial = % is not allowed', new.alert_on_partial
            using errcode = '23514', column = 'alert_on_partial',
                  hint = 'It is a share of failed items, more than 0 and at most 1: 0.5 is half of them; NULL: partial runs are not reported.';
    end if;
    if least(new.max_runs, new.pause_after_failures, new.max_attempts, new.batch_size, new.max_in_flight) < 1 then
        select * into name, number
          from (values ('max_runs', new.max_runs), ('pause_after_failures', new.pause_after_failures),
                       ('max_attempts', new.max_attempts), ('batch_size', new.batch_size),
                       ('max_in_flight', new.max_in_flight)) given(column1, column2) where column2 < 1;
        raise exception '% = % is not allowed', name, number
            using errcode = '23514', column = name, hint = 'It must be 1 or more; NULL means: no such limit.';
    elsif new.max_attempts > 32767 then
        raise exception 'max_attempts = % is not allowed', new.max_attempts
            using errcode = '23514', column = 'max_attempts', hint = 'It must be from 1 to 32767; NULL: as many as the task declares.';
    end if;
    if num_nonnulls(new.jitter, new.timeout, new.expires, new.batch_delay) > 0 or new.catch_up_window <> interval '1 day' then
        for name, length in select * from (values ('jitter', new.jitter), ('timeout', new.timeout), ('expires', new.expires),
                                                  ('batch_delay', new.batch_delay), ('catch_up_window', new.catch_up_window)) given loop
            if extract(year from length) <> 0 or extract(month from length) <> 0 then
                raise exception '% = % has months or years, which have no fixed length', name, length
                    using errcode = '23514', column = name, hint = format('Write days, e.g. %s = ''30 days''.', name);
            elsif length < interval '0' or length = interval '0' and name in ('timeout', 'expires') then
                raise exception '% = % is not a length of time', name, length
                    using errcode = '23514', column = name, hint = format('Write e.g. %s = ''15 minutes''.', name);
            end if;
        end loop;
    end if;
end
$$;

comment on function schedule_check_values(schedule) is
    'Refuses impossible values before the CHECK constraints do, with a hint';
