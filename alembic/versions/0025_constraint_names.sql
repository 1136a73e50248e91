-- The name of a CHECK is its message; no program looks for one.
-- squawk-ignore renaming-object
alter table schedule rename constraint "every must be longer than nothing" to "every must be longer than 0";
-- squawk-ignore renaming-object
alter table schedule rename constraint "expires must be longer than nothing" to "expires must be longer than 0";
-- squawk-ignore renaming-object
alter table schedule rename constraint "timeout must be longer than nothing" to "timeout must be longer than 0";
-- squawk-ignore renaming-object
alter table schedule rename constraint "every: no months or years, use cron for those" to "every must have no months or years; use cron for those";
-- squawk-ignore renaming-object
alter table schedule rename constraint "expires: no months or years, use cron for those" to "expires must have no months or years; write days";
-- squawk-ignore renaming-object
alter table schedule rename constraint "timeout: no months or years, use cron for those" to "timeout must have no months or years; write days";
-- squawk-ignore renaming-object
alter table schedule rename constraint "jitter: no months or years, use cron for those" to "jitter must have no months or years; write days";
-- squawk-ignore renaming-object
alter table schedule rename constraint "catch_up_window: no months or years, use cron for those" to "catch_up_window must have no months or years; write days";
-- squawk-ignore renaming-object
alter table schedule rename constraint "after: a schedule cannot follow itself" to "after must be another schedule";
-- squawk-ignore renaming-object
alter table schedule rename constraint "alert_on_partial: a share, more than 0 and at most 1" to "alert_on_partial must be a share more than 0 and at most 1";
-- squawk-ignore renaming-object
alter table schedule rename constraint "calendar_hours: day or session" to "calendar_hours must be day or session";
-- squawk-ignore renaming-object
alter table schedule rename constraint "catch_up: latest, all or none" to "catch_up must be latest, all or none";
-- squawk-ignore renaming-object
alter table schedule rename constraint "name: lower-case words and digits joined by hyphens" to "name must be lower-case words and digits joined by hyphens";
-- squawk-ignore renaming-object
alter table schedule rename constraint "priority: 0 to 9, and 9 goes first" to "priority must be 0 to 9; 9 goes first";
-- squawk-ignore renaming-object
alter table upstream rename constraint "name: lower-case words and digits joined by _" to "name must be lower-case words and digits joined by _";
-- squawk-ignore renaming-object
alter table worker_group rename constraint "name: what stands before @ in a worker's node name" to "name must be what stands before @ in a worker's node name";
-- squawk-ignore renaming-object
alter table quota rename constraint "per must be longer than nothing" to "per must be longer than 0";
-- squawk-ignore renaming-object
alter table quota rename constraint "per: no months or years, write 30 days" to "per must have no months or years; write 30 days";
-- squawk-ignore renaming-object
alter table run rename constraint "open_batches never falls below zero" to "open_batches must be 0 or more";
-- squawk-ignore renaming-object
alter table run rename constraint "state is one of those in the docs" to "state must be one that the column's comment lists";
-- squawk-ignore renaming-object
alter table run rename constraint "trigger is one of those in the docs" to "trigger must be one that the column's comment lists";
-- squawk-ignore renaming-object
alter table batch rename constraint "state is one of those in the docs" to "state must be one that the column's comment lists";
-- squawk-ignore renaming-object
alter table notice rename constraint "state: waiting, sending, sent, dead" to "state must be waiting, sending, sent or dead";
-- squawk-ignore renaming-object
alter table price_outcome rename constraint "outcome is one of those in the docs" to "outcome must be ok, not_found or stale";
-- squawk-ignore renaming-object
alter table price_bar rename constraint "close must be more than nothing" to "close must be more than 0";
-- squawk-ignore renaming-object
alter table quote rename constraint "price must be more than nothing" to "price must be more than 0";
-- squawk-ignore renaming-object
alter table listing rename constraint "price must be more than nothing" to "price must be more than 0";
-- squawk-ignore renaming-object
alter table listing rename constraint "status is one of those in the comment" to "status must be active, sold, closed, traded, expired or deleted";
-- squawk-ignore renaming-object
alter table scrape rename constraint "state is one of those in the comment" to "state must be running, complete, incomplete, blocked or failed";

-- squawk-ignore renaming-object
alter index run_asked_for rename to run_by_trigger;
-- squawk-ignore renaming-object
alter index run_ended_otherwise rename to run_by_end_state;

-- Only Postgres 18 and later name what keeps a column from being null.
do $$
begin
    if exists (select from pg_constraint where conrelid = 'incident'::regclass and conname = 'incident_unblocked_at_not_null') then
        alter table incident rename constraint incident_unblocked_at_not_null to incident_opened_at_not_null;
    end if;
end
$$;
