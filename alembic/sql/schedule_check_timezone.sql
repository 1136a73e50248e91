create or replace function schedule_check_timezone(zone text) returns void
language plpgsql stable
as $$
declare
    nearest text;
begin
    if exists (select from timezone_name where name = zone) then
        return;
    end if;
    if btrim(zone) = '' then
        raise exception 'timezone is an empty text'
            using errcode = '23514', column = 'timezone',
                  hint = 'Write e.g. timezone = ''Europe/Berlin''; all names: SELECT name FROM timezone_name;';
    end if;
    select string_agg(name, ', ') into nearest
      from (select name from timezone_name order by name <-> zone, name limit 3) close;
    raise exception 'unknown timezone "%"', zone
        using errcode = '23514', column = 'timezone',
              hint = format('Did you mean: %s? All names: SELECT name FROM timezone_name;', nearest);
end
$$;

comment on function schedule_check_timezone(text) is 'Refuses a timezone that Python''s zoneinfo does not know';
