create or replace view schedule_status as
with known as materialized (
    select d.name, cut_words(d.runs, 26) as runs,
           case when d.state like 'paused itself%' then 'paused itself'
                when d.state like 'paused%' then 'paused'
                when d.state like 'set aside%' then 'set aside'
                when d.state like 'LATE%' then 'LATE'
                else d.state end as state,
           case when d.last_run_at is null then 'never'
                when d.result in ('due', 'held', 'running') then d.result
                else d.result || ' ' || d.last_run end as last_run,
           case when d.next_run = 'not scheduled' then '' else d.next_run end as next_run,
           case when d.state like 'paused until%' then concat_ws(': ', substr(d.state, 8), d.pause_reason)
                when d.state like 'paused itself%' then substr(d.state, 16)
                when d.state like 'paused%' then coalesce(d.pause_reason, 'no reason given')
                when d.state like 'set aside%' then substr(d.state, 12)
                when d.state like 'LATE%' then substr(d.state, 6)
                when d.state = 'disabled' then d.note
                else coalesce(d.summary, d.note) end as about,
           case when d.state like any (array['LATE%', 'set aside%', 'paused itself%']) or d.result = 'failed' and d.state = 'on' then 1
                when d.result = 'partial' and d.state = 'on' then 2
                when d.state like 'paused%' then 3
                when d.state = 'disabled' then 5
                else 4 end as place
      from schedule_detail d
), room as (
    -- What the other columns leave of 120, with borders and blanks.
    select greatest(12, 120 - 19 - max(length(name)) - max(length(runs)) - max(length(state))
                            - greatest(8, max(length(last_run))) - greatest(8, max(length(next_run)))) as width
      from known
)
select k.name, k.runs, k.state, k.last_run, k.next_run, cut_words(k.about, room.width) as about
  from known k cross join room
 order by k.place, k.name;

comment on view schedule_status is
    'Start here: every schedule, problems first, at most 120 columns wide; schedule_detail has everything';
comment on column schedule_status.about is 'Why it is paused or failed, or what its last run found';
