-- name: points_to
select a.attname as name, r.relname as table, f.attname as key
  from pg_constraint c join pg_class r on r.oid = c.confrelid
  join pg_attribute a on a.attrelid = c.conrelid and array[a.attnum] = c.conkey
  join pg_attribute f on f.attrelid = c.confrelid and f.attnum = c.confkey[1]
 where c.conrelid = to_regclass('public.' || quote_ident(:name)) and c.contype = 'f'

-- name: columns
select a.attname as name, format_type(a.atttypid, a.atttypmod) as type, not a.attnotnull as nullable,
       pg_get_expr(d.adbin, d.adrelid) as preset, a.attidentity <> '' as numbered,
       col_description(a.attrelid, a.attnum) as comment,
       coalesce(a.attnum = any(i.indkey::smallint[]), false) as in_key
  from pg_attribute a
  left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
  left join pg_index i on i.indrelid = a.attrelid and i.indisprimary
 where a.attrelid = to_regclass('public.' || quote_ident(:name))
   and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
 order by a.attnum

-- name: comment
select obj_description(to_regclass('public.' || quote_ident(:name)))

-- name: rule_states
select name, state, wrong_at, hint from rule_status
