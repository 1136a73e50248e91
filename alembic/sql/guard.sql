create or replace function guarded_role(relation oid) returns text
language plpgsql stable
as $$
begin
    -- Whoever owns the table, the service and superusers are not guarded; nor is anybody without the roles.
    if pg_has_role(current_user, (select relowner from pg_class where oid = relation), 'usage')
       or to_regrole('service') is null or pg_has_role(current_user, 'service', 'usage') then
        return null;
    end if;
    return case when to_regrole('operator') is not null and pg_has_role(current_user, 'operator', 'usage')
                then 'operator' else 'viewer' end;
end
$$;

comment on function guarded_role(oid) is
    'operator or viewer when the present role is one and no more; null for those who may write everything';

create or replace function guard() returns trigger
language plpgsql
as $$
declare
    acting text := guarded_role(tg_relid);
    verb text := case tg_op when 'INSERT' then 'insert into' when 'UPDATE' then 'change' else 'delete from' end;
begin
    if acting is null or acting = 'operator' and position(lower(tg_op) in tg_argv[0]) > 0 then
        return null;
    end if;
    perform require_operator(tg_relid, verb);
    raise exception 'an operator cannot % %', verb, tg_table_name
        using errcode = '42501',
              detail = case when tg_argv[0] = '' then 'The machine writes it: ' else 'It holds: ' end
                       || coalesce(obj_description(tg_relid, 'pg_class'), tg_table_name),
              hint = tg_argv[1];
end
$$;

comment on function guard() is
    'Trigger: refuses what an operator may not do, says why and what to do instead';

create or replace function guard_columns() returns trigger
language plpgsql
as $$
declare
    acting text;
    name text;
begin
    foreach name in array tg_argv[1:] loop
        if to_jsonb(old) -> name is distinct from to_jsonb(new) -> name then
            acting := coalesce(acting, guarded_role(tg_relid));
            if acting is null then
                return new;
            end if;
            raise exception 'an operator cannot change %', name
                using errcode = '42501', column = name,
                      detail = coalesce(col_description(tg_relid, (select attnum from pg_attribute
                          where attrelid = tg_relid and attname = name)), name),
                      hint = tg_argv[0];
        end if;
    end loop;
    return new;
end
$$;

comment on function guard_columns() is
    'Trigger: refuses changes of columns that an operator may not change, and says why';
