alter table notice add column run_id uuid;
comment on column notice.run_id is 'Run that took it last';

create or replace view notice_log as
select n.id, n.channel, n.state, coalesce(m.title, n.content ->> 'title') as what, m.rule, m.occasion,
       n.attempts, n.answer, n.created_at, n.sent_at, extract(epoch from n.sent_at - m.matched_at)::float8 as seconds,
       n.run_id
  from notice n left join match m on m.id = n.match_id
 order by n.id desc;
