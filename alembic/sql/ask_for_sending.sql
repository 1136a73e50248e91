create or replace function sendable_channels() returns setof text
language sql stable
as $$
    select c.name from channel c cross join lateral channel_room(c.name) room
     where c.enabled and room.free_at <= clock_timestamp()
       and exists (select from notice n where n.channel = c.name and n.state in ('waiting', 'sending'))
     order by c.name
$$;

comment on function sendable_channels() is 'Enabled channels with notices, without those that wait at their limit of messages an hour';

create or replace function ask_for_sending() returns boolean
language plpgsql
as $$
begin
    insert into run_request (action, schedule, by_system, note)
    select 'run', name, true, 'notices wait' from schedule
     where name = 'send-notices' and exists (select from sendable_channels());
    return found;
end
$$;

comment on function ask_for_sending() is 'Request a run of send-notices, if a channel with notices may send now; whether it did';
