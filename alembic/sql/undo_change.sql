create or replace function undo_change(change_id bigint) returns change
language plpgsql
set timezone = 'UTC' set intervalstyle = 'postgres'
as $$
declare
    c change;
    target regclass;
    condition text;
    columns text;
    now_there jsonb;
    differ text;
    made change;
begin
    select * into c from change where id = change_id;
    if c.id is null then
        raise exception 'no change with id %', change_id
            using errcode = 'P0002', hint = 'The last changes: ' || how_to('SELECT id, what, change FROM recent_changes LIMIT 20;', 'schedule changes');
    end if;
    select tgrelid into target from pg_trigger
     where tgname = 'audit_updated' and tgrelid = to_regclass(format('public.%I', c.table_name));
    if target is null then
        raise exception 'a change of % cannot be undone here', c.table_name
            using errcode = '42501', hint = 'Ask an owner.';
    end if;
    perform require_operator(target, 'change');
    select string_agg(format('t.%1$I is not distinct from (jsonb_populate_record(null::%2$s, $1)).%1$I', name, target), ' and ')
      into condition from jsonb_object_keys(c.key) name;
    execute format('select to_jsonb(t) from %s t where %s for update', target, condition) into now_there using c.key;
    if c.action = 'delete' then
        differ := case when now_there is not null then 'it is there again' end;
    elsif now_there is null then
        differ := 'it is no longer there';
    else
        -- What was not kept was null.
        select 'changed since: ' || string_agg(name, ', ' order by name) into differ
          from jsonb_object_keys(case c.action when 'insert' then row_difference(now_there, '{}') else c.new end) name
         where coalesce(now_there -> name, 'null') is distinct from coalesce(c.new -> name, 'null');
    end if;
    if differ is not null then
        raise exception '% "%" cannot be undone: %', c.table_name, c.name, differ
            using errcode = 'WK412', hint = 'Make the edit by hand. The earlier values: ' || how_to(format('SELECT old, new FROM recent_changes WHERE id = %s;', c.id), 'schedule changes');
    end if;
    perform set_config('app.undo_of', c.id::text, true);
    if c.action = 'insert' then
        execute format('delete from %s t where %s', target, condition) using c.key;
    else
        select string_agg(quote_ident(a.attname), ', '), string_agg('r.' || quote_ident(a.attname), ', ')
          into columns, differ
          from pg_attribute a
         where a.attrelid = target and a.attgenerated = '' and c.old ? a.attname::text;
        execute case c.action
            when 'update' then format('update %1$s t set (%2$s) = (select %3$s from jsonb_populate_record(null::%1$s, $2) r) where %4$s',
                                      target, columns, differ, condition)
            else format('insert into %1$s (%2$s) overriding system value select %3$s from jsonb_populate_record(null::%1$s, $2) r',
                        target, columns, differ) end
          using c.key, c.old;
    end if;
    perform set_config('app.undo_of', '', true);
    select * into made from change where undo_of = c.id order by id desc limit 1;
    return made;
end
$$;
comment on function undo_change(bigint) is
    'Undo a change by a new edit; refused where its columns were changed since: SELECT undo_change(1841);';
