create or replace function profile_asked() returns trigger
language plpgsql
as $$
begin
    -- A follower begins by itself, though only after success: then nothing need be asked for.
    insert into run_request (action, schedule, by_system, note)
    select 'run', s.name, true, 'early buyers of tokens chosen by ' || coalesce(new.schedule, 'run ' || new.id)
      from schedule s
     where s.task = 'tasks.discovery.profile' and s.enabled and coalesce(s.paused_until <= clock_timestamp(), true)
       and exists (select from token_profile p where p.run_id = new.id and p.profiled_at is null)
       and not (new.state = 'succeeded' and exists (
             select from schedule f where f.task = s.task and f.after = new.schedule and f.enabled
                and coalesce(f.paused_until <= clock_timestamp(), true)))
     order by s.after is not distinct from new.schedule desc, s.name
     limit 1;
    return null;
end
$$;

comment on function profile_asked() is 'Trigger: profiles what a run has chosen as soon as the run ends, however it ends';

create or replace trigger profile_asked
    after update of finished_at on run
    for each row when (old.finished_at is null and new.finished_at is not null
                       and new.task in ('tasks.discovery.discover', 'tasks.discovery.surveil'))
    execute function profile_asked();
