-- The name of a CHECK is its message; no program looks for one.
-- squawk-ignore renaming-object
alter table schedule rename constraint "overlap: skip|buffer_one|buffer_all|cancel_other|allow_all" to "overlap must be one that the column's comment lists";
-- squawk-ignore renaming-object
alter table console.person rename constraint "name: letters, digits and . _ @ -, at most 100" to "name must be at most 100 letters, digits and . _ @ -";
-- squawk-ignore renaming-object
alter table console.person rename constraint "role: viewer or operator" to "role must be viewer or operator";
-- squawk-ignore renaming-object
alter table console.api_token rename constraint "role: viewer or operator" to "role must be viewer or operator";
-- squawk-ignore renaming-object
alter table console.api_token rename constraint "title: 1 to 100 characters" to "title must have 1 to 100 characters";
-- squawk-ignore renaming-object
alter table console.api_token rename constraint "expires_at: within 366 days" to "expires_at must be within 366 days";
