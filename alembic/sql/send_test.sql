create or replace function send_test(channel_name text) returns text language plpgsql as $$
declare
    target channel;
    written notice;
begin
    perform require_operator('notice', 'insert into');
    select * into target from channel where name = channel_name;
    if target.name is null then
        raise exception 'no channel named "%"', channel_name
            using errcode = 'P0002', hint = did_you_mean(channel_name, (select array_agg(name) from channel)) || format('Channels: %s',
                (select coalesce(string_agg(name, ', ' order by name), 'none yet; INSERT INTO channel …') from channel));
    end if;
    if not target.enabled then
        raise exception 'channel "%" is disabled', channel_name
            using hint = format('UPDATE channel SET enabled = true WHERE name = %L;', channel_name);
    end if;
    insert into notice (channel, key, content)
    values (target.name, 'test ' || gen_random_uuid(),
            jsonb_build_object('title', 'Test',
                               'text', format('Watchkeeper can reach you through the channel %s.', target.name)))
    returning * into written;
    perform request_run('send-notices', 'test of ' || target.name);
    return format('Notice %s goes to %s; the server''s answer: %s', written.id, target.name,
                  how_to('SELECT * FROM notice_log LIMIT 5;', 'notify outbox'));
end
$$;
comment on function send_test(text) is
    'Send a test message: SELECT send_test(''phone''); the server''s answer: SELECT * FROM notice_log LIMIT 5;';
