-- name: points_to
select a.attname as name, r.relname as table, f.attname as key
  from pg_constraint c join pg_class r on r.oid = c.confrelid
  join pg_attribute a on a.attrelid = c.conrelid and array[a.attnum] = c.conkey
  join pg_attribute f on f.attrelid = c.confrelid and f.attnum = c.confkey[1]
 where c.conrelid = to_regclass('public.' || quote_ident(:name)) and c.contype = 'f'
