create or replace function channel_room(channel_name text)
returns table (used integer, gathers boolean, free_at timestamptz)
language sql stable
as $$
    -- The last fifth of an hour's messages is spread over the hour, and each takes all that waits.
    select hour.used, hour.used >= c.max_per_hour - kept.messages,
           coalesce(greatest(
               case when hour.used >= c.max_per_hour then hour.at[c.max_per_hour] + interval '1 hour' end,
               case when least(hour.used, c.max_per_hour - 1) > c.max_per_hour - kept.messages
                    then hour.at[1] + interval '1 hour' / kept.messages end), '-infinity')
      from channel c
     cross join lateral (select greatest(1, c.max_per_hour / 5) as messages) kept
     cross join lateral (
         select count(*)::integer as used, array_agg(message.at order by message.at desc) as at
           from (select max(coalesce(n.sent_at, clock_timestamp())) as at from notice n
                  where n.channel = c.name
                    and (n.sent_at > clock_timestamp() - interval '1 hour'
                         or n.state = 'sending' and n.not_before > clock_timestamp())
                  group by n.message_id) message) hour
     where c.name = channel_name
$$;

comment on function channel_room(text) is
    'Messages of a channel in the last hour, whether the next takes all that waits, and when it may go';
