-- Conditions of the filter of changes, by its fields.
-- name: id
id = :id

-- name: table
table_name = :table

-- name: name
name = :name

-- name: by
changed_by = :by

-- name: operation
operation = :operation

-- name: since
-- Numbers rise with the time.
id >= (select id from change where changed_at >= :since order by changed_at limit 1)
