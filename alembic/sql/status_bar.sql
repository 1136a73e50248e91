create or replace view status_bar as
select s.name,
       coalesce(s.title, s.name) || ': ' || case last.state when 'failed' then '✘ ' when 'partial' then '◐ ' else '' end
           || ago_words(last.created_at)
           || ' (next: ' || case when s.after is not null then 'after ' || s.after
                                 else brief_words(st.next_run_at - clock_timestamp()) end || ')' as line
  from schedule s
  left join schedule_state st on st.schedule = s.name
  left join lateral (
      select r.state, r.created_at from run r where r.schedule = s.name and r.state not in ('missed', 'skipped')
       order by r.created_at desc limit 1) last on true
 where s.enabled
 order by s.name;

comment on view status_bar is 'One line a schedule, for a status bar: Token discovery: 2h ago (next: 2h)';
