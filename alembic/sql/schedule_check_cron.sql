create or replace function schedule_check_cron(cron text) returns void
language plpgsql immutable
as $$
declare
    problem record;
begin
    select * into problem from cron_problem(cron);
    if problem.message is not null then
        raise exception '%', problem.message using errcode = '23514', column = 'cron', hint = problem.hint;
    end if;
end
$$;

comment on function schedule_check_cron(text) is 'Refuses a wrong cron text and names the field';
