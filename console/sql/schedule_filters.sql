-- Conditions of the filter of schedules; "searched" as the expression of the index of trigrams says it,
-- which shorter terms do not have; theirs says "of an index", too dear to ask of each row.
-- name: searched
lower((((s.name || ' ') || coalesce(s.title, '')) || ' ') || coalesce(s.note, '')) like :q

-- name: of an index
short_terms(lower((((s.name || ' ') || coalesce(s.title, '')) || ' ') || coalesce(s.note, ''))) collate "C" @> array[:term]

-- name: short
(s.name like :q or lower(s.title) like :q or lower(s.note) like :q)

-- name: task
s.task = :task

-- name: queue
(s.queue = :queue or s.queue is null and s.task in (select name from task_kind where queue = :queue))

-- name: upkeep
s.task in (select name from task_kind where queue = :upkeep)

-- name: no upkeep
s.task not in (select name from task_kind where queue = :upkeep)
