-- Outcomes and sightings as permits before: the old table becomes the first partition, no row is copied.
-- squawk-ignore renaming-table, renaming-object
alter table price_outcome rename to price_outcome_before;
-- squawk-ignore ban-drop-constraint
alter table price_outcome_before drop constraint price_outcome_pkey;
-- squawk-ignore constraint-missing-not-valid, disallowed-unique-constraint, adding-serial-primary-key-field
alter table price_outcome_before add constraint price_outcome_before_pkey primary key (run_id, symbol, at);
-- squawk-ignore renaming-object
alter index price_outcome_by_symbol rename to price_outcome_before_by_symbol;
-- squawk-ignore renaming-object
alter index price_outcome_by_time rename to price_outcome_before_by_time;
drop trigger if exists guard on price_outcome_before;

create table price_outcome (
    run_id uuid not null,
    symbol text not null,
    outcome text not null,
    source text,
    detail text,
    at timestamptz default clock_timestamp() not null,
    constraint price_outcome_pkey primary key (run_id, symbol, at),
    constraint "outcome is one of those in the docs" check (outcome in ('ok', 'not_found', 'stale'))
) partition by range (at);
create index price_outcome_by_symbol on price_outcome (symbol, at);
create index price_outcome_by_time on price_outcome (at);
comment on table price_outcome is 'Outcome of each symbol in each price run.';
comment on column price_outcome.run_id is 'Run';
comment on column price_outcome.symbol is 'Symbol';
comment on column price_outcome.outcome is 'ok | not_found | stale (answered, without its last session)';
comment on column price_outcome.source is 'Source that answered';
comment on column price_outcome.detail is 'More about it';
comment on column price_outcome.at is 'When';

-- squawk-ignore renaming-table, renaming-object
alter table token_sighting rename to token_sighting_before;
-- What was seen until now counts as of now: the time of each run would have to be looked up.
alter table token_sighting_before add column due_at timestamptz default now() not null;
alter table token_sighting_before alter column due_at set default clock_timestamp();
-- squawk-ignore ban-drop-constraint
alter table token_sighting_before drop constraint token_sighting_pkey;
-- squawk-ignore constraint-missing-not-valid, disallowed-unique-constraint, adding-serial-primary-key-field
alter table token_sighting_before add constraint token_sighting_before_pkey primary key (run_id, token_id, due_at);
-- squawk-ignore renaming-object
alter index token_sighting_by_token rename to token_sighting_before_by_token;
drop trigger if exists guard on token_sighting_before;

create table token_sighting (
    run_id uuid not null,
    token_id bigint not null,
    is_new boolean not null,
    chosen boolean not null,
    rejected_because text,
    feeds text[] not null,
    passed boolean not null,
    volume_h24 numeric,
    due_at timestamptz default clock_timestamp() not null,
    constraint token_sighting_pkey primary key (run_id, token_id, due_at),
    constraint token_sighting_token_id_fkey foreign key (token_id) references token (id) on delete cascade
) partition by range (due_at);
create index token_sighting_by_token on token_sighting (token_id);
comment on table token_sighting is 'Decision of each discovery run about each token it saw.';
comment on column token_sighting.run_id is 'Run';
comment on column token_sighting.token_id is 'Token';
comment on column token_sighting.is_new is 'Seen for the first time';
comment on column token_sighting.chosen is 'Passed, and among the max_tokens of most volume';
comment on column token_sighting.rejected_because is 'Filter that rejected it';
comment on column token_sighting.feeds is 'Feeds that named it';
comment on column token_sighting.passed is 'Passed every filter';
comment on column token_sighting.volume_h24 is 'Volume of 24 hours (USD) that it was ranked by';
comment on column token_sighting.due_at is 'Due time of the run';

create or replace view recent_price_outcomes as
select at, symbol, outcome, source, detail, run_id from price_outcome
union all
select coalesce(b.finished_at, b.updated_at), i ->> 'key',
       case when coalesce(i ->> 'state', 'waiting') <> 'deferred' then 'error'
            when coalesce(i ->> 'error', b.error) like '%blocked: %' then 'rate_limited'
            else 'deferred' end,
       null, coalesce(i ->> 'error', b.error), b.run_id
  from batch b cross join lateral jsonb_array_elements(b.items) i
 where b.task like 'tasks.prices.%' and (b.failed + b.deferred > 0 or b.state in ('failed', 'stopped'))
   -- A batch that ended early leaves items waiting: they share its error.
   and (i ->> 'state' in ('failed', 'deferred') or b.state in ('failed', 'stopped') and i ->> 'state' is distinct from 'done')
 order by 1 desc;
comment on view recent_price_outcomes is
    'Outcome of each symbol in each price run: ok, stale, not_found, rate_limited (the source said so), deferred (our quota is spent) or error; add LIMIT';

insert into partitioned_table (name, key, width, ahead)
values ('price_outcome', 'at', '7 days', '14 days'), ('token_sighting', 'due_at', '7 days', '14 days');

do $$
declare
    grows record;
    newest timestamptz;
    ends timestamptz;
    part text;
    role text;
begin
    for grows in select * from partitioned_table where name in ('price_outcome', 'token_sighting')
    loop
        execute format('create table history.%I (like %I including defaults including constraints including comments'
                       ' including storage)', grows.name || '_default', grows.name);
        execute format('comment on table history.%I is %L', grows.name || '_default',
                       format('Partition of %s: rows that no other is for', grows.name));
        execute format('alter table %I attach partition history.%I default', grows.name, grows.name || '_default');
        execute format('select max(%I) from %I', grows.key, grows.name || '_before') into newest;
        if newest is null then
            execute format('drop table %I', grows.name || '_before');
        else
            ends := date_bin(grows.width, greatest(newest, clock_timestamp()), '2001-01-01 00:00:00+00') + grows.width;
            part := format('%s_before_%s', grows.name, to_char(ends at time zone 'UTC', 'YYYYMMDD'));
            execute format('alter table %I rename to %I', grows.name || '_before', part);
            execute format('alter table %I set schema history', part);
            execute format('alter table %I attach partition history.%I for values from (minvalue) to (%L)',
                           grows.name, part, ends);
        end if;
        while make_partition(grows.name) is not null loop
        end loop;
        foreach role in array array['service', 'operator', 'viewer', 'console'] loop
            if to_regrole(role) is not null then
                execute format('grant %s on %I to %I', case role when 'service' then 'select, insert, update, delete'
                                                                 else 'select' end, grows.name, role);
            end if;
        end loop;
    end loop;
end
$$;

-- An update of a row finds room on its page, so that it needs no new entry in the indexes whose columns it keeps.
alter table run set (fillfactor = 80);
alter table batch set (fillfactor = 80);
alter table schedule_state set (fillfactor = 80);
