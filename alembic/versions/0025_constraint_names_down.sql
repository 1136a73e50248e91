-- The name of a CHECK is its message; no program looks for one.
-- squawk-ignore renaming-object
alter table scrape rename constraint "state must be running, complete, incomplete, blocked or failed" to "state is one of those in the comment";
-- squawk-ignore renaming-object
alter table listing rename constraint "status must be active, sold, closed, traded, expired or deleted" to "status is one of those in the comment";
-- squawk-ignore renaming-object
alter table listing rename constraint "price must be more than 0" to "price must be more than nothing";
-- squawk-ignore renaming-object
alter table quote rename constraint "price must be more than 0" to "price must be more than nothing";
-- squawk-ignore renaming-object
alter table price_bar rename constraint "close must be more than 0" to "close must be more than nothing";
-- squawk-ignore renaming-object
alter table price_outcome rename constraint "outcome must be ok, not_found or stale" to "outcome is one of those in the docs";
-- squawk-ignore renaming-object
alter table notice rename constraint "state must be waiting, sending, sent or dead" to "state: waiting, sending, sent, dead";
-- squawk-ignore renaming-object
alter table batch rename constraint "state must be one that the column's comment lists" to "state is one of those in the docs";
-- squawk-ignore renaming-object
alter table run rename constraint "trigger must be one that the column's comment lists" to "trigger is one of those in the docs";
-- squawk-ignore renaming-object
alter table run rename constraint "state must be one that the column's comment lists" to "state is one of those in the docs";
-- squawk-ignore renaming-object
alter table run rename constraint "open_batches must be 0 or more" to "open_batches never falls below zero";
-- squawk-ignore renaming-object
alter table quota rename constraint "per must have no months or years; write 30 days" to "per: no months or years, write 30 days";
-- squawk-ignore renaming-object
alter table quota rename constraint "per must be longer than 0" to "per must be longer than nothing";
-- squawk-ignore renaming-object
alter table worker_group rename constraint "name must be what stands before @ in a worker's node name" to "name: what stands before @ in a worker's node name";
-- squawk-ignore renaming-object
alter table upstream rename constraint "name must be lower-case words and digits joined by _" to "name: lower-case words and digits joined by _";
-- squawk-ignore renaming-object
alter table schedule rename constraint "priority must be 0 to 9; 9 goes first" to "priority: 0 to 9, and 9 goes first";
-- squawk-ignore renaming-object
alter table schedule rename constraint "name must be lower-case words and digits joined by hyphens" to "name: lower-case words and digits joined by hyphens";
-- squawk-ignore renaming-object
alter table schedule rename constraint "catch_up must be latest, all or none" to "catch_up: latest, all or none";
-- squawk-ignore renaming-object
alter table schedule rename constraint "calendar_hours must be day or session" to "calendar_hours: day or session";
-- squawk-ignore renaming-object
alter table schedule rename constraint "alert_on_partial must be a share more than 0 and at most 1" to "alert_on_partial: a share, more than 0 and at most 1";
-- squawk-ignore renaming-object
alter table schedule rename constraint "after must be another schedule" to "after: a schedule cannot follow itself";
-- squawk-ignore renaming-object
alter table schedule rename constraint "catch_up_window must have no months or years; write days" to "catch_up_window: no months or years, use cron for those";
-- squawk-ignore renaming-object
alter table schedule rename constraint "jitter must have no months or years; write days" to "jitter: no months or years, use cron for those";
-- squawk-ignore renaming-object
alter table schedule rename constraint "timeout must have no months or years; write days" to "timeout: no months or years, use cron for those";
-- squawk-ignore renaming-object
alter table schedule rename constraint "expires must have no months or years; write days" to "expires: no months or years, use cron for those";
-- squawk-ignore renaming-object
alter table schedule rename constraint "every must have no months or years; use cron for those" to "every: no months or years, use cron for those";
-- squawk-ignore renaming-object
alter table schedule rename constraint "timeout must be longer than 0" to "timeout must be longer than nothing";
-- squawk-ignore renaming-object
alter table schedule rename constraint "expires must be longer than 0" to "expires must be longer than nothing";
-- squawk-ignore renaming-object
alter table schedule rename constraint "every must be longer than 0" to "every must be longer than nothing";

-- squawk-ignore renaming-object
alter index run_by_trigger rename to run_asked_for;
-- squawk-ignore renaming-object
alter index run_by_end_state rename to run_ended_otherwise;

-- Only Postgres 18 and later name what keeps a column from being null.
do $$
begin
    if exists (select from pg_constraint where conrelid = 'incident'::regclass and conname = 'incident_opened_at_not_null') then
        alter table incident rename constraint incident_opened_at_not_null to incident_unblocked_at_not_null;
    end if;
end
$$;
