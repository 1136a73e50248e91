-- name: backfill
select * from backfill(:name, cast(:first as timestamptz), cast(:last as timestamptz), :overlap,
                       dry_run => :dry_run, reason => :why)

-- name: retry
insert into run_request (action, run_id, note, options)
values ('retry', :run, :why, cast(:options as jsonb)) returning *

-- name: resend
update notice set state = 'waiting', not_before = clock_timestamp()
 where id = :number and state = 'dead'
returning *
