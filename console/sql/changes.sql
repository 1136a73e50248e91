-- name: rows
select c.id, c.changed_at, c.changed_by, c.program, c.table_name as table, c.key, c.name, c.action,
       c.old, c.new, c.operation, c.undo_of,
       exists (select from change u where u.undo_of = c.id) as undone
  from change c where c.id = any(:ids) order by c.id desc

-- name: shown
-- Lengths of time and times in words.
with said as (
    select c.id, is_.old, jsonb_object_agg(given.name, case
               when value in ('null', '"infinity"', '"-infinity"') then value
               when a.atttypid = 'interval'::regtype then to_jsonb(duration_words((value #>> '{}')::interval))
               when a.atttypid = 'timestamptz'::regtype
                   then to_jsonb(to_char((value #>> '{}')::timestamptz at time zone 'UTC', 'YYYY-MM-DD HH24\:MI\:SS "UTC"'))
               else value end) as columns
      from change c
     cross join lateral (values (true, c.old), (false, c.new)) is_(old, columns)
     cross join lateral jsonb_each(is_.columns) given(name, value)
      left join pg_attribute a on a.attrelid = to_regclass(c.table_name) and a.attname = given.name and not a.attisdropped
     where c.id = any(:ids) group by 1, 2
)
select c.id, c.changed_at, c.changed_by, c.program, c.table_name as table, c.key, c.name, c.action,
       (select columns from said where said.id = c.id and said.old) as old,
       (select columns from said where said.id = c.id and not said.old) as new, c.operation, c.undo_of,
       exists (select from change u where u.undo_of = c.id) as undone
  from change c where c.id = any(:ids) order by c.id desc
