create or replace function worker_group_check() returns trigger
language plpgsql
as $$
begin
    if new.name !~ '^[^@ ]+$' then
        raise exception 'name "%" is not a worker group', left(new.name, 100)
            using errcode = '23514', column = 'name',
                  hint = 'It is the part before @ in a worker''s node name: ''prices'' for prices@host.';
    end if;
    if new.min_processes < 1 or new.max_processes > 500 or new.max_processes < new.min_processes then
        raise exception '% to % processes are not allowed for workers of %', new.min_processes, new.max_processes, new.name
            using errcode = '23514', column = 'max_processes',
                  hint = 'min_processes must be 1 or more; max_processes cannot be less than min_processes, and is at most 500 a worker.';
    end if;
    return new;
end
$$;

comment on function worker_group_check() is 'Trigger: refuses bounds that a pool cannot have, with a hint';

create or replace trigger worker_group_check
    before insert or update on worker_group
    for each row execute function worker_group_check();
