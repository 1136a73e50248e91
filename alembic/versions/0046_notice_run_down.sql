drop view notice_log;
create view notice_log as
select n.id, n.channel, n.state, coalesce(m.title, n.content ->> 'title') as what, m.rule, m.occasion,
       n.attempts, n.answer, n.created_at, n.sent_at, extract(epoch from n.sent_at - m.matched_at)::float8 as seconds
  from notice n left join match m on m.id = n.match_id
 order by n.id desc;
comment on view notice_log is 'The outbox: messages to people, through which channel, and what its server answered';

alter table notice drop column run_id;
