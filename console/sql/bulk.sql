-- name: require
-- An unknown name is refused in the database's words, with names like it.
select (schedule_named(name)).name from unnest(cast(:names as text[])) name
 where not exists (select from schedule where schedule.name = name.name) limit 1

-- name: affected
-- Which of the chosen an action would change.
select array(select s.name from schedule s
 where s.name = any(:names)
   and case :action when 'enable' then not s.enabled when 'disable' then s.enabled
                    when 'resume' then s.paused_until > clock_timestamp()
                         or exists (select from schedule_state st
                                     where st.schedule = s.name and st.tripped_at is not null)
                    else true end
 order by 1)

-- name: pause
update schedule set pause_reason = :why,
       paused_until = coalesce(cast(:until as timestamptz), 'infinity')
 where name = any(:names)

-- name: ends_later
select coalesce(cast(:until as timestamptz) > clock_timestamp(), true)

-- name: resume
-- As resume() does it, for many.
update schedule s
   set paused_until = case when paused_until is null then clock_timestamp() end, pause_reason = null
 where name = any(:names)

-- name: run
insert into run_request (action, schedule, note)
select 'run', name, :why from unnest(cast(:names as text[])) name

-- name: enable
update schedule set enabled = true where name = any(:names)

-- name: disable
update schedule set enabled = false where name = any(:names)

-- name: still_paused
-- Schedules that an operation paused and whose pause nobody has touched since.
select array(select s.name from change c join schedule s on s.name = c.name
 where c.operation = :operation and c.table_name = 'schedule' and c.action = 'update'
   and c.new ? 'paused_until' and s.paused_until = cast(c.new ->> 'paused_until' as timestamptz)
   and s.paused_until > clock_timestamp()
   and not exists (select from change later where later.table_name = 'schedule' and later.name = c.name
                      and later.id > c.id and later.new ? 'paused_until')
 order by s.name)

-- name: is_known
select exists (select from change where operation = :operation)

-- name: operation
select set_config('app.operation', :operation, true)
