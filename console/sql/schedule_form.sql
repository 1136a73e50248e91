-- name: kind
select name, description, options_schema, upstream, queue,
       concat_ws('; ', 'at least ' || duration_words(min_every), 'at most ' || duration_words(max_every)) as limits,
       (select array_agg(duration_words(one)) from unnest(allowed_every) one) as allowed_every
  from task_kind where name = :name

-- name: row
-- Lengths of time as people write them; an unknown name is refused.
select s.*, duration_words(s.every) as every, duration_words(s.jitter) as jitter,
       duration_words(s.catch_up_window) as catch_up_window, duration_words(s.timeout) as timeout,
       duration_words(s.expires) as expires, duration_words(s.batch_delay) as batch_delay
  from schedule_named(:name) s

-- name: markets
select mic, mic || coalesce(' · ' || title, '') as words from market order by mic
