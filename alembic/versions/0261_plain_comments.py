"""Comments and two hints of the database in plain words."""

from workers.migrate import run_sql

revision = "0261"
down_revision = "0260"

CHECK_VALUES = """
create or replace function schedule_check_values(new schedule) returns void
language plpgsql immutable
as $$
declare
    name text;
    number integer;
    length interval;
begin
    if new.name !~ '^[a-z0-9]+(-[a-z0-9]+)*$' or length(new.name) > 100 then
        raise exception 'name "%" is not made of lower-case words and digits joined by hyphens', left(new.name, 100)
            using errcode = '23514', column = 'name',
                  hint = format('Write e.g. %L.', coalesce(nullif(btrim(regexp_replace(lower(left(new.name, 100)), '[^a-z0-9]+', '-', 'g'), '-'), ''), 'prices-nightly'));
    end if;
    perform schedule_check_word('overlap', new.overlap, array['skip', 'buffer_one', 'buffer_all', 'cancel_other', 'allow_all']);
    perform schedule_check_word('catch_up', new.catch_up, array['latest', 'all', 'none']);
    perform schedule_check_word('calendar_hours', new.calendar_hours, array['day', 'session']);
    if new.priority not between 0 and 9 then
        raise exception 'priority = % is not allowed', new.priority
            using errcode = '23514', column = 'priority', hint = 'It must be a whole number from 0 to 9; 9 goes first.';
    end if;
    if new.alert_after is null or new.alert_after < 1 then
        raise exception 'alert_after = % is not allowed', coalesce(new.alert_after::text, 'null')
            using errcode = '23514', column = 'alert_after',
                  hint = 'It must be 1 or more: 1 reports the first failed run, 3 the third in a row.';
    elsif not (new.alert_on_partial > 0 and new.alert_on_partial <= 1) then
        raise exception 'alert_on_partial = % is not allowed', new.alert_on_partial
            using errcode = '23514', column = 'alert_on_partial',
                  hint = 'It is a share of failed items, more than 0 and at most 1: 0.5 is half of them; NULL: partial runs are not reported.';
    end if;
    if least(new.max_runs, new.pause_after_failures, new.max_attempts, new.batch_size, new.max_in_flight) < 1 then
        select * into name, number
          from (values ('max_runs', new.max_runs), ('pause_after_failures', new.pause_after_failures),
                       ('max_attempts', new.max_attempts), ('batch_size', new.batch_size),
                       ('max_in_flight', new.max_in_flight)) given(column1, column2) where column2 < 1;
        raise exception '% = % is not allowed', name, number
            using errcode = '23514', column = name, hint = 'It must be 1 or more; NULL means: no such limit.';
    end if;
    if num_nonnulls(new.jitter, new.timeout, new.expires, new.batch_delay) > 0 or new.catch_up_window <> interval '1 day' then
        for name, length in select * from (values ('jitter', new.jitter), ('timeout', new.timeout), ('expires', new.expires),
                                                  ('batch_delay', new.batch_delay), ('catch_up_window', new.catch_up_window)) given loop
            if extract(year from length) <> 0 or extract(month from length) <> 0 then
                raise exception '% = % has months or years, which have no fixed length', name, length
                    using errcode = '23514', column = name, hint = format('Write days, e.g. %s = ''30 days''.', name);
            elsif length < interval '0' or length = interval '0' and name in ('timeout', 'expires') then
                raise exception '% = % is not a length of time', name, length
                    using errcode = '23514', column = name, hint = format('Write e.g. %s = ''15 minutes''.', name);
            end if;
        end loop;
    end if;
end
$$;
"""


def upgrade() -> None:
    run_sql(CHECK_VALUES)
    run_sql("""
    comment on table schedule is 'What to run and when. Edit it with SQL; an edit is in force at once.';
    comment on column schedule.options is 'Options of the task, checked by its schema';
    comment on column schedule.jitter is 'Length of time over which starts are spread, the same way on every beat';
    comment on column schedule.expires is 'A run that has not started this long after its due time expires';
    comment on column schedule.alert_after is 'Number of failed runs in a row after which people are notified';
    comment on column schedule.max_runs is 'Number of runs after which it stops';
    comment on column schedule.pause_after_failures is 'Number of failed runs in a row after which it pauses itself';
    comment on function cron_problem(text) is 'Why a cron text is wrong, with a hint; null when it is right (beat/time/cron.py decides the same)';
    comment on function follow_incidents() is 'Opens an incident for each row of view trouble, closes those that are over, and writes notices of both; beat calls it';
    comment on function guard() is 'Trigger: refuses what an operator may not do, says why and what to do instead';
    comment on function guard_columns() is 'Trigger: refuses changes of columns that an operator may not change, and says why';
    comment on function require_operator(regclass, text) is 'Refuses a function to a viewer and says why; without a grant no trigger could';
    comment on function schedule_check_cron(text) is 'Refuses a wrong cron text and names the field';
    comment on function schedule_says_disabled(schedule) is 'Notice to whoever pauses or resumes a schedule that is disabled';
    comment on table notice is 'The outbox: messages to people, one row a channel.';
    comment on column notice.key is 'What it is about; once for each channel';
    comment on column notice.match_id is 'The match it is about';
    comment on column notice.content is 'Title and text of a notice that is not about a match';
    comment on table incident is 'What broke, and when it had recovered.';
    comment on column incident.closed_at is 'When it was over; null: still broken';
    comment on view notice_log is 'The outbox: messages to people, through which channel, and what its server answered';
    comment on table rule is 'Rules: an expression over what a watch finds.';
    comment on column rule.channels is 'Channels that get its matches; null: every enabled one';
    comment on column channel.incidents is 'Also gets incidents and the daily digest';
    comment on table token_rule is 'State of each rule for each token: what was reported, the price to compare with.';
    comment on column token_rule.reference_price is 'Highest price (USD) since the last reported drop; drops are counted from it';
    comment on column token_rule.told is 'How often a match was reported';
    comment on column token_profile.early_window_minutes is 'Early: minutes after the oldest pool was made';
    comment on view trouble is 'What is broken at the moment of reading; beat sends one notice when it breaks and one when it is over';
    """)


def downgrade() -> None:
    run_sql(
        CHECK_VALUES.replace("1 reports the first failed run, 3 the", "1 tells of the first failed run, 3 of the").replace(
            "partial runs are not reported", "a partial run is never told"
        )
    )
    run_sql("""
    comment on table schedule is 'What to watch and how often: edit it with SQL, beat obeys at once.';
    comment on column schedule.options is 'What the task is told, by its kind''s schema';
    comment on column schedule.jitter is 'Spread each start over so long, the same way on every beat';
    comment on column schedule.expires is 'A run not started so long after its due time is not worth starting';
    comment on column schedule.alert_after is 'People are told after so many failed runs in a row';
    comment on column schedule.max_runs is 'Stops after so many runs';
    comment on column schedule.pause_after_failures is 'Pauses itself after so many failed runs in a row';
    comment on function cron_problem(text) is 'Why beat could not obey a cron text, with a hint; null when it can (beat/time/cron.py judges alike)';
    comment on function follow_incidents() is 'Open an incident for each row of view trouble, close those that are over, and tell people of both; beat calls it';
    comment on function guard() is 'Trigger: tells an operator what it may not do, why, and what to do instead';
    comment on function guard_columns() is 'Trigger: tells an operator which columns of a table are not its own, and why';
    comment on function require_operator(regclass, text) is 'Tells a viewer why a function does nothing for it: without a grant no trigger can';
    comment on function schedule_check_cron(text) is 'Refuses a cron text that beat could not obey, field by field';
    comment on function schedule_says_disabled(schedule) is 'Tells whoever pauses or resumes a schedule that it does not run anyway';
    comment on table notice is 'The outbox: what people are to be told, one row a channel.';
    comment on column notice.key is 'What it tells of; once for each channel';
    comment on column notice.match_id is 'The match it tells of';
    comment on column notice.content is 'What it says when it tells of no match: title, text';
    comment on table incident is 'What broke, and when it was well again.';
    comment on column incident.closed_at is 'Well again; null: still broken';
    comment on view notice_log is 'The outbox: what people were told, through which channel, and what its server said';
    comment on table rule is 'What people want to hear of: an expression over what a watch finds.';
    comment on column rule.channels is 'Channels that hear of its matches; null: every enabled one';
    comment on column channel.incidents is 'Also hears what is broken, and the daily digest';
    comment on table token_rule is 'How each rule stands to each token: what it was told, and what it compares with.';
    comment on column token_rule.reference_price is 'Highest price (USD) since a drop was told last: drops are counted from it';
    comment on column token_rule.told is 'How often it fitted anew';
    comment on column token_profile.early_window_minutes is 'Early: so long after the oldest pool was made';
    comment on view trouble is 'What is broken now, seen when it is read; beat tells people once when it breaks and once when it is over';
    """)
