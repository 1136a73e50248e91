create or replace function require_operator(relation regclass, verb text) returns void
language plpgsql stable
as $$
begin
    if guarded_role(relation) = 'viewer' then
        raise exception 'a viewer cannot % %', verb, relation
            using errcode = '42501',
                  detail = format('"%s" may read everything and change nothing.',
                                  case when session_user = 'console' then actor() else current_user::text end),
                  hint = 'Ask an operator; or an owner, for: '
                         || case when session_user = 'console'
                                 then format('celery -A workers.app console person change %s --role operator', actor())
                                 else format('GRANT operator TO %I;', session_user) end;
    end if;
end
$$;

comment on function require_operator(regclass, text) is
    'Refuses a function to a viewer and says why: a viewer has no grant, so that no trigger fires';
