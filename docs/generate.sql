-- What docs/generate.py asks a migrated database.

-- name: relations
select c.oid::regclass::text as name, c.relkind::text as kind, obj_description(c.oid, 'pg_class') as comment
  from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v')
   and c.relname <> 'alembic_version'
 order by name

-- name: columns
select a.attrelid::regclass::text as relation, a.attname as name, format_type(a.atttypid, a.atttypmod) as type,
       a.attnotnull as needed, col_description(a.attrelid, a.attnum) as comment,
       pg_get_expr(d.adbin, d.adrelid) as preset
  from pg_attribute a join pg_class c on c.oid = a.attrelid
  left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
 where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p', 'v') and a.attnum > 0 and not a.attisdropped
 order by relation, a.attnum

-- name: functions
select p.proname as name, pg_get_function_arguments(p.oid) as arguments, pg_get_function_result(p.oid) as result,
       obj_description(p.oid, 'pg_proc') as comment, p.prorettype = 'trigger'::regtype as is_trigger
  from pg_proc p where p.pronamespace = 'public'::regnamespace
   and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e')
 order by name, arguments

-- name: kinds
select name, description, queue, upstream, duration_words(min_every) as min_every,
       duration_words(max_every) as max_every,
       (select string_agg(duration_words(e), ', ') from unnest(allowed_every) e) as allowed_every
  from task_kind where name like 'tasks.%' and retired_at is null order by name

-- name: options
select o.key as name, coalesce(o.value ->> 'default', '') as preset, o.value ->> 'description' as meaning,
       option_words(o.value, coalesce(options_schema -> '$defs', '{}')) as words
  from task_kind, json_each(options_schema::json -> 'properties') x(key, raw), lateral (select x.key, x.raw::jsonb as value) o
 where task_kind.name = %s
