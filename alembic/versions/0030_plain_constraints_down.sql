-- squawk-ignore renaming-object
alter table schedule rename constraint "overlap must be one that the column's comment lists" to "overlap: skip|buffer_one|buffer_all|cancel_other|allow_all";
-- squawk-ignore renaming-object
alter table console.person rename constraint "name must be at most 100 letters, digits and . _ @ -" to "name: letters, digits and . _ @ -, at most 100";
-- squawk-ignore renaming-object
alter table console.person rename constraint "role must be viewer or operator" to "role: viewer or operator";
-- squawk-ignore renaming-object
alter table console.api_token rename constraint "role must be viewer or operator" to "role: viewer or operator";
-- squawk-ignore renaming-object
alter table console.api_token rename constraint "title must have 1 to 100 characters" to "title: 1 to 100 characters";
-- squawk-ignore renaming-object
alter table console.api_token rename constraint "expires_at must be within 366 days" to "expires_at: within 366 days";
