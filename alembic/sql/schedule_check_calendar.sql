create or replace function schedule_check_calendar(mic text) returns void
language plpgsql stable
as $$
begin
    if exists (select from market where market.mic = schedule_check_calendar.mic) then
        return;
    end if;
    raise exception 'unknown calendar "%"', mic
        using errcode = '23514', column = 'calendar',
              hint = format('An exchange''s MIC: %s … All: SELECT mic, title FROM market;',
                            (select string_agg(m.mic, ', ')
                               from (select market.mic from market order by market.mic <-> schedule_check_calendar.mic, 1 limit 4) m));
end
$$;

comment on function schedule_check_calendar(text) is 'Refuses an exchange that is not in table market';
