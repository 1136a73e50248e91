-- name: ready
select b.seq, r.task, b.plain from batch b join run r on r.id = b.run_id
 where b.run_id = %s and b.state in ('waiting', 'sent')
   and (b.not_before is null or b.not_before <= clock_timestamp())
   and (b.waiting_for is null or permits_available(b.waiting_for, clock_timestamp()) > 0)
 order by b.seq limit 1

-- name: request
-- A request that is answered by this command itself.
insert into run_request (action, schedule, options, note, answered_at, answer)
values ('run', %s, %s, %s, clock_timestamp(), 'started where it was asked for')
returning id, requested_by
