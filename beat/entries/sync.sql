-- Entries of the code (`beat_entry`), the rows they became, and what the code said last.

-- name: read
select e.entry, e.schedule, e.definition, e.written, e.said, to_jsonb(s) as row
  from beat_entry e left join schedule s on s.name = e.schedule
 where e.app = %(app)s

-- name: taken
-- Names that rows or entries have.
select name from schedule union select schedule from beat_entry

-- name: adoptable
-- Rows that earlier versions made of entries, before they kept what they wrote.
select name from schedule s where name = %(name)s and task = %(task)s and note = %(note)s
   and not exists (select from beat_entry where schedule = s.name)

-- name: remember
insert into beat_entry (app, entry, schedule, definition, written, said, updated_at)
values (%(app)s, %(entry)s, %(schedule)s, %(definition)s, %(written)s, %(said)s, clock_timestamp())
on conflict (app, entry) do update
   set schedule = excluded.schedule, definition = excluded.definition, written = excluded.written,
       said = excluded.said, updated_at = excluded.updated_at

-- name: plain
select name, plain from task_kind where name = any(%(names)s)

-- name: row
select to_jsonb(s) as row from schedule s where name = %(name)s

-- name: add_queue
-- A queue that workers serve besides those of the tasks.
insert into queue (name, note) values (%(name)s, %(note)s) on conflict do nothing
