"""Comments and two hints of the database in plain words."""

from workers.migrate import run_sql

revision = "0261"
down_revision = "0260"

CHECK_VALUES = """
create or replace function schedule_check_word(name text, given text, known text[]) returns void
language plpgsql immutable
as $$
begin
    if not given = any (known) then
        raise exception '% = "%" is not known', name, given
            using errcode = '23514', column = name, hint = 'One of: ' || array_to_string(known, ', ') || '.';
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
