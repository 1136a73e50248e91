create or replace function audited(one jsonb) returns jsonb
language sql immutable
as $$ select one - array['revision', 'updated_at', 'updated_by', 'changed_at', 'changed_by', 'password'] $$;
comment on function audited(jsonb) is 'A row without what triggers write and without secrets';

create or replace function row_difference(one jsonb, other jsonb) returns jsonb
language sql immutable
as $$
    select coalesce(jsonb_object_agg(key, one -> key), '{}')
      from jsonb_object_keys(audited(one)) key
     where (one -> key) is distinct from (other -> key)
$$;
comment on function row_difference(jsonb, jsonb) is
    'Columns of the first row that differ in the second, of those that the audit keeps';

create or replace function row_values(one jsonb) returns jsonb
language sql immutable
as $$ select coalesce(audited(one) - array(select key from jsonb_each(one) where value = 'null'), '{}') $$;
comment on function row_values(jsonb) is 'A whole row for the audit, without nulls';

create or replace function row_key(one jsonb, keys text[]) returns jsonb
language sql immutable
as $$ select jsonb_object_agg(key, one -> key) from unnest(keys) key $$;
comment on function row_key(jsonb, text[]) is 'The columns of its key: {"name": "prices-nightly"}';

create or replace function row_name(key jsonb, keys text[]) returns text
language sql immutable
as $$ select string_agg(key ->> one, ' / ' order by place) from unnest(keys) with ordinality each(one, place) $$;
comment on function row_name(jsonb, text[]) is 'The key of a row for people: alpha_vantage / 00:01:00';

create or replace function audit() returns trigger
language plpgsql security definer
set search_path = public, pg_temp set timezone = 'UTC' set intervalstyle = 'postgres'
as $$
declare
    keys constant text[] := array(select attname::text from pg_index i join pg_attribute a on a.attrelid = i.indrelid and a.attnum = any(i.indkey)
                                   where i.indrelid = tg_relid and i.indisprimary order by a.attnum);
    operation constant uuid := nullif(current_setting('app.operation', true), '')::uuid;
    undone constant bigint := nullif(current_setting('app.undo_of', true), '')::bigint;
    author constant text := actor();
    is_one boolean;
begin
    if tg_op = 'INSERT' then
        insert into change (table_name, key, name, action, old, new, changed_by, program, operation, undo_of)
        select tg_table_name, k, row_name(k, keys), 'insert', null, row_values(n), author,
               current_setting('application_name'), operation, undone
          from (select to_jsonb(r) as n from new_rows r) rows, row_key(n, keys) k;
    elsif tg_op = 'DELETE' then
        insert into change (table_name, key, name, action, old, new, changed_by, program, operation, undo_of)
        select tg_table_name, k, row_name(k, keys), 'delete', row_values(o), null, author,
               current_setting('application_name'), operation, undone
          from (select to_jsonb(r) as o from old_rows r) rows, row_key(o, keys) k;
    else
        -- Of several rows those whose key changed are some that went and some that came; one alone was renamed.
        is_one := (select count(*) from old_rows) = 1;
        insert into change (table_name, key, name, action, old, new, changed_by, program, operation, undo_of)
        select tg_table_name, k, row_name(k, keys), case when o is null then 'insert' when n is null then 'delete' else 'update' end,
               case when n is null then row_values(o) else before end,
               case when o is null then row_values(n) else after end,
               author, current_setting('application_name'), operation, undone
          from (select to_jsonb(r) as o, case when not is_one then row_key(to_jsonb(r), keys) end as key from old_rows r) olds
          full join (select to_jsonb(r) as n, case when not is_one then row_key(to_jsonb(r), keys) end as key from new_rows r) news
               on coalesce(olds.key, '{}') = coalesce(news.key, '{}'),
               lateral (select row_key(coalesce(n, o), keys) as k) k,
               lateral (select case when o is not null then row_difference(o, coalesce(n, '{}')) end as before,
                               case when n is not null then row_difference(n, coalesce(o, '{}')) end as after) differ
         where before is distinct from after and (before <> '{}' or after <> '{}');
    end if;
    -- Open pages of the console look again.
    perform pg_notify('watchkeeper_change', tg_table_name);
    return null;
end
$$;
comment on function audit() is
    'Trigger of every table that people own, made by the migrate step: who changed what from what to what, with which program';
