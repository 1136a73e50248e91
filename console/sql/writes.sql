-- name: require
select name from schedule_named(:name)

-- name: until
-- A time as it was given, or the end of a length of time; nothing: until resumed.
select case when said ~ '^\d{4}-' then said else (clock_timestamp() + cast(said as interval))::text end
  from (select nullif(trim(cast(:given as text)), '') as said) given

-- name: pause
select pause(:name, :why, coalesce(cast(:until as timestamptz), 'infinity'))

-- name: resume
select resume(:name)

-- name: pause_all
select pause_all(:why)

-- name: resume_all
select resume_all()

-- name: run
select * from request_run(:name, :why, cast(:options as jsonb))

-- name: backfill
-- Ends when it would begin: once both its calls and its runs have had their turn.
select cost.*, clock_timestamp() + cast(cost.takes as interval) as ends_at,
       (backfill_dues(schedule_named(:name), cost.first_due_at, cost.last_due_at))[1:201] as due_times
  from backfill(:name, cast(:first as timestamptz), cast(:last as timestamptz),
                coalesce(:overlap, 'buffer_all'),
                dry_run => coalesce(cast(:dry_run as boolean), false), reason => :why) cost

-- name: stop
select stop_run(:run, :why)

-- name: retry
insert into run_request (action, run_id, note, options)
values ('retry', :run, :why, cast(:options as jsonb)) returning *

-- name: undo
select * from undo_change(:number)

-- name: send_test
select send_test(:name)

-- name: unblock
select unblock(:name, :why)

-- name: resend
-- What was given up is made to wait again before.
select * from notice where id = :number

-- The rows that answers in a sentence are about.
-- name: schedule
select * from schedule where name = :name

-- name: switch
select * from pause_switch

-- name: request
select * from run_request where run_id = :run order by id desc limit 1

-- name: last_notice
select * from notice where channel = :name order by id desc limit 1

-- name: upstream
select * from upstream where name = :name
