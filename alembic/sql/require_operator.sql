create or replace function require_operator(relation regclass, verb text) returns void
language plpgsql stable
as $$
begin
    if guarded_role(relation) = 'viewer' then
        raise exception 'a viewer cannot % %', verb, relation
            using errcode = '42501',
                  detail = format('"%s" may read everything and change nothing.', current_user),
                  hint = format('Ask an operator; or an owner, for: GRANT operator TO %I;', session_user);
    end if;
end
$$;

comment on function require_operator(regclass, text) is
    'Refuses a function to a viewer and says why; without a grant no trigger could';
