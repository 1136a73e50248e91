create or replace function schedule_check_calendar(mic text) returns void
language plpgsql stable
as $$
begin
    if exists (select from market where market.mic = schedule_check_calendar.mic) then
        return;
    end if;
    raise exception 'unknown calendar "%"', mic
        using errcode = '23514', column = 'calendar',
              hint = did_you_mean(mic, (select array_agg(market.mic) from market)) || format('An exchange''s MIC: %s … All: %s',
                            (select string_agg(m.mic, ', ')
                               from (select market.mic from market order by market.mic <-> schedule_check_calendar.mic, 1 limit 4) m),
                            'SELECT mic, title FROM market;');
end
$$;

comment on function schedule_check_calendar(text) is 'Refuses an exchange that is not in table market';
