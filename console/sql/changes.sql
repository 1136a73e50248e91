-- name: rows
select c.id, c.changed_at, c.changed_by, c.program, c.table_name as table, c.key, c.name, c.action,
       c.old, c.new, c.operation, c.undo_of,
       exists (select from change u where u.undo_of = c.id) as undone
  from change c where c.id = any(:ids) order by c.id desc
