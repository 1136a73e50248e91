create or replace function partitions_of(
    of_table text, out name text, out begins timestamptz, out ends timestamptz, out is_default boolean
) returns setof record
language sql stable
as $$
    select child.relname::text,
           case when bound.words ~ 'FROM \(MINVALUE\)' then '-infinity'
                else substring(bound.words from 'FROM \(''([^'']+)''\)')::timestamptz end,
           substring(bound.words from 'TO \(''([^'']+)''\)')::timestamptz,
           bound.words = 'DEFAULT'
      from pg_inherits i
      join pg_class child on child.oid = i.inhrelid
     cross join lateral (select pg_get_expr(child.relpartbound, child.oid) as words) bound
     where i.inhparent = to_regclass(format('public.%I', of_table))
$$;

comment on function partitions_of(text) is
    'Partitions of a table with the times they are for; the default one holds what no other is for';

create or replace view partition_status as
select t.name as table_name, p.name as partition, p.begins, p.ends, p.is_default,
       coalesce(pg_stat_get_live_tuples(c.oid), 0) as about_rows
  from partitioned_table t
 cross join lateral partitions_of(t.name) p
  join pg_class c on c.relname = p.name and c.relnamespace = to_regnamespace('history')
 order by t.name, p.begins nulls last;

comment on view partition_status is
    'Partitions of the tables that grow: which times each is for and about how many rows it has';
comment on column partition_status.table_name is 'Table that is partitioned';
comment on column partition_status.partition is 'The partition, a table of schema history';
comment on column partition_status.begins is 'First time it is for';
comment on column partition_status.ends is 'Times before this; a partition is dropped whole once all of it is old';
comment on column partition_status.is_default is 'Whether it holds what no other partition is for';
comment on column partition_status.about_rows is 'Rows, as the statistics say';

create or replace function partition_missing(rules partitioned_table, now_ timestamptz) returns timestamptz
language plpgsql stable
as $$
declare
    -- A Monday: partitions of a week begin on one.
    origin constant timestamptz := '2001-01-01 00:00:00+00';
    outside timestamptz[];
begin
    execute format('select array_agg(distinct date_bin($1, %I, $2)) from history.%I', rules.key, rules.name || '_default')
       into outside using rules.width, origin;
    return (select min(wanted.begins)
              from (select generate_series(date_bin(rules.width, now_, origin), now_ + rules.ahead, rules.width)
                    union select unnest(outside)) wanted(begins)
             where not exists (select from partitions_of(rules.name) p
                                where p.begins <= wanted.begins and wanted.begins < p.ends));
end
$$;

comment on function partition_missing(partitioned_table, timestamptz) is
    'Where the first partition begins that is wanted and not there: ahead of now, or for rows of the default one';

create or replace function make_partition(of_table text, now_ timestamptz default clock_timestamp()) returns text
language plpgsql security definer
set search_path = public, pg_temp
set lock_timeout = '100ms'
as $$
declare
    rules partitioned_table;
    since timestamptz;
    part text;
begin
    select * into rules from partitioned_table where name = of_table;
    if not found then
        raise exception 'no partitioned table named "%"', of_table
            using errcode = '22023', hint = 'SELECT name FROM partitioned_table;';
    end if;
    since := partition_missing(rules, now_);
    if since is null then
        return null;
    end if;
    part := format('%s_%s', of_table, to_char(since at time zone 'UTC', 'YYYYMMDD'));
    execute format('create table history.%I (like %I including defaults including constraints including comments'
                   ' including storage)', part, of_table);
    execute format('comment on table history.%I is %L', part, format('Partition of %s', of_table));
    -- Rows that came while there was no partition for them: attaching would be refused while the default
    -- partition holds them.
    execute format('with moved as (delete from history.%I where %I >= $1 and %2$I < $2 returning *)'
                   ' insert into history.%3$I select * from moved', of_table || '_default', rules.key, part)
      using since, since + rules.width;
    execute format('alter table %I attach partition history.%I for values from (%L) to (%L)',
                   of_table, part, since, since + rules.width);
    return part;
end
$$;

comment on function make_partition(text, timestamptz) is
    'Makes the next partition that a table needs and returns its name, null when none is missing; waits at most 100 ms for a lock';

create or replace function drop_partition(
    of_table text, before timestamptz, max_rows integer, out partition text, out about_rows bigint
)
language plpgsql security definer
set search_path = public, pg_temp
set lock_timeout = '100ms'
as $$
declare
    rules partitioned_table;
    oldest timestamptz := before;
    ended_at timestamptz;
begin
    select * into rules from partitioned_table where name = of_table;
    if not found then
        raise exception 'no partitioned table named "%"', of_table
            using errcode = '22023', hint = 'SELECT name FROM partitioned_table;';
    end if;
    if of_table = 'permit' then
        -- What a window may still count stays, whatever was asked.
        oldest := least(before, clock_timestamp() - (select coalesce(max(per), '0') from quota) - max_permit_lease());
    end if;
    select p.name, p.ends into partition, ended_at from partitions_of(of_table) p where p.ends <= oldest order by p.ends limit 1;
    if partition is not null then
        if of_table = 'permit' then
            delete from permit_total where stamp < ended_at + max_permit_lease();
        end if;
        about_rows := coalesce(pg_stat_get_live_tuples(to_regclass(format('history.%I', partition))), 0);
        execute format('drop table history.%I', partition);
        return;
    end if;
    execute format('delete from history.%1$I where ctid = any(array('
                   'select ctid from history.%1$I where %2$I < $1 limit $2 for update skip locked))',
                   of_table || '_default', rules.key)
      using oldest, max_rows;
    get diagnostics about_rows = row_count;
    if about_rows > 0 then
        partition := of_table || '_default';
    end if;
end
$$;

comment on function drop_partition(text, timestamptz, integer) is
    'Drops the oldest partition that ends before a time, or else deletes such rows of the default one, and says which; partition is null when there is nothing; waits at most 100 ms for a lock';

create or replace function partition_troubles(out table_name text, out problem text, out severity text)
returns setof record
language plpgsql stable security definer
set search_path = public, pg_temp
as $$
declare
    rules partitioned_table;
    outside boolean;
begin
    for rules in select * from partitioned_table
    loop
        table_name := rules.name;
        execute format('select exists (select from history.%I)', rules.name || '_default') into outside;
        severity := 'warning';
        if outside then
            problem := 'its default partition holds rows, because no other partition covers their time';
            return next;
        end if;
        if not exists (select from partitions_of(rules.name) p where p.ends > clock_timestamp() + rules.ahead / 2) then
            problem := 'partitions for the time ahead are missing';
            return next;
        end if;
    end loop;
end
$$;

comment on function partition_troubles() is
    'Partitioned tables whose rows lie in the default partition, or that have no partitions ahead';
