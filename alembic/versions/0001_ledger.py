"""The ledger: schedules, their state, runs, batches, requests, audit."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from workers.migrate import load_sql

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table('heartbeat',
    sa.Column('name', sa.Text(), nullable=False, comment='Node name, e.g. beat@host or prices@host'),
    sa.Column('role', sa.Text(), nullable=False, comment='beat | worker'),
    sa.Column('started_at', sa.DateTime(timezone=True), server_default=sa.text('clock_timestamp()'), nullable=False, comment='Process start'),
    sa.Column('seen_at', sa.DateTime(timezone=True), server_default=sa.text('clock_timestamp()'), nullable=False, comment='Last sign'),
    sa.Column('detail', postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False, comment='Version, pid, queues, pool size, clock skew'),
    sa.PrimaryKeyConstraint('name', name=op.f('heartbeat_pkey')),
    comment='Last sign of each beat and worker; silent ones show in health.'
    )
    op.create_table('run',
    sa.Column('id', sa.Uuid(), nullable=False, comment='Also the Celery id and root id of its messages'),
    sa.Column('schedule', sa.Text(), nullable=True, comment='Name of the schedule; kept when the schedule is deleted; null: made by hand'),
    sa.Column('task', sa.Text(), nullable=False, comment="Name of the kind, which is its module's path"),
    sa.Column('options', postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False, comment='Frozen copy of the options it runs with'),
    sa.Column('trigger', sa.Text(), nullable=False, comment='schedule | manual | after | backfill | retry'),
    sa.Column('due_at', sa.DateTime(timezone=True), nullable=False, comment='The due time it stands for (nominal, without jitter)'),
    sa.Column('covers_from', sa.DateTime(timezone=True), nullable=True, comment='First due time it covers, when it covers several'),
    sa.Column('covers_count', sa.Integer(), server_default=sa.text('1'), nullable=False, comment='How many due times it covers'),
    sa.Column('state', sa.Text(), nullable=False, comment='due | running | held | succeeded | partial | failed | stopped | skipped | missed | expired'),
    sa.Column('reason', sa.Text(), nullable=True, comment='Why it is held, skipped, missed, stopped, expired or partial'),
    sa.Column('exclusive', sa.Boolean(), server_default=sa.text('false'), nullable=False, comment='No other exclusive run of its schedule may be active'),
    sa.Column('queue', sa.Text(), nullable=False, comment='Queue its messages go to'),
    sa.Column('priority', sa.SmallInteger(), server_default=sa.text('5'), nullable=False, comment='0 to 9, 9 first'),
    sa.Column('max_attempts', sa.SmallInteger(), server_default=sa.text('3'), nullable=False, comment='Attempts a batch has before it is failed'),
    sa.Column('batch_size', sa.Integer(), nullable=True, comment="Items a batch; null: the kind's"),
    sa.Column('batch_delay', sa.Interval(), nullable=True, comment="Least time between two of its batches; null: the kind's"),
    sa.Column('max_in_flight', sa.Integer(), nullable=True, comment='Its batches that may run at once; null: any number'),
    sa.Column('timeout', sa.Interval(), nullable=True, comment='Longest time from its start to its end'),
    sa.Column('expires_at', sa.DateTime(timezone=True), nullable=True, comment='Not started by then, it is no longer worth starting'),
    sa.Column('deadline_at', sa.DateTime(timezone=True), nullable=True, comment='When its timeout ends it; set when it starts'),
    sa.Column('stop_requested_at', sa.DateTime(timezone=True), nullable=True, comment='Since when it is asked to stop at its next call'),
    sa.Column('batch_count', sa.Integer(), server_default=sa.text('0'), nullable=False, comment='Batches it was split into'),
    sa.Column('open_batches', sa.Integer(), server_default=sa.text('0'), nullable=False, comment='Batches not ended; zero ends the run'),
    sa.Column('total', sa.Integer(), server_default=sa.text('0'), nullable=False, comment='Items to do'),
    sa.Column('done', sa.Integer(), server_default=sa.text('0'), nullable=False, comment='Items done'),
    sa.Column('failed', sa.Integer(), server_default=sa.text('0'), nullable=False, comment='Items failed'),
    sa.Column('deferred', sa.Integer(), server_default=sa.text('0'), nullable=False, comment='Items left for the next run (quota spent)'),
    sa.Column('result', postgresql.JSONB(astext_type=sa.Text()), nullable=True, comment='Counts by name, and a summary for people'),
    sa.Column('error', sa.Text(), nullable=True, comment='What went wrong, in a sentence'),
    sa.Column('traceback', sa.Text(), nullable=True, comment='Where it went wrong, redacted'),
    sa.Column('requested_by', sa.Text(), nullable=True, comment='Who asked for it, when a person did'),
    sa.Column('retry_of', sa.Uuid(), nullable=True, comment='The run it repeats'),
    sa.Column('counted', sa.Boolean(), server_default=sa.text('false'), nullable=False, comment='Whether beat has drawn its conclusions from the end (failures, after)'),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('clock_timestamp()'), nullable=False, comment='Decided at'),
    sa.Column('started_at', sa.DateTime(timezone=True), nullable=True, comment='First batch claimed by a worker'),
    sa.Column('finished_at', sa.DateTime(timezone=True), nullable=True, comment='Last batch ended, or decided not to run'),
    sa.CheckConstraint("state in ('due', 'running', 'held', 'succeeded', 'partial', 'failed', 'stopped', 'skipped', 'missed', 'expired')", name='state is one of those in the docs'),
    sa.CheckConstraint("trigger in ('schedule', 'manual', 'after', 'backfill', 'retry')", name='trigger is one of those in the docs'),
    sa.CheckConstraint('open_batches >= 0', name='open_batches never falls below zero'),
    sa.PrimaryKeyConstraint('id', name=op.f('run_pkey')),
    comment='One row a due time or request: what was decided, what happened, and why.'
    )
    op.create_index('run_active', 'run', ['schedule', 'created_at'], unique=False, postgresql_where=sa.text("state in ('due', 'running', 'held')"))
    op.create_index('run_by_creation', 'run', ['created_at'], unique=False)
    op.create_index('run_by_schedule', 'run', ['schedule', 'created_at'], unique=False)
    op.create_index('run_deadline', 'run', ['deadline_at'], unique=False, postgresql_where=sa.text("state in ('due', 'running') and deadline_at is not null"))
    op.create_index('run_failures', 'run', ['finished_at'], unique=False, postgresql_where=sa.text("state in ('failed', 'partial')"))
    op.create_index('run_held', 'run', ['schedule', 'created_at', 'due_at'], unique=False, postgresql_where=sa.text("state = 'held'"))
    op.create_index('run_one_exclusive', 'run', ['schedule'], unique=True, postgresql_where=sa.text("exclusive and state in ('due', 'running')"))
    op.create_index('run_one_per_due_time', 'run', ['schedule', 'due_at'], unique=True, postgresql_where=sa.text("trigger = 'schedule'"))
    op.create_index('run_stopping', 'run', ['stop_requested_at'], unique=False, postgresql_where=sa.text("state in ('due', 'running', 'held') and stop_requested_at is not null"))
    op.create_index('run_task_active', 'run', ['task'], unique=False, postgresql_where=sa.text("state in ('due', 'running')"))
    op.create_index('run_uncounted', 'run', ['finished_at'], unique=False, postgresql_where=sa.text('finished_at is not null and not counted'))
    op.create_table('run_request',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=True), nullable=False, comment='Order of the requests'),
    sa.Column('action', sa.Text(), nullable=False, comment='run | backfill | stop | retry'),
    sa.Column('schedule', sa.Text(), nullable=True, comment='Schedule to run or backfill'),
    sa.Column('run_id', sa.Uuid(), nullable=True, comment='Run to stop or retry'),
    sa.Column('options', postgresql.JSONB(astext_type=sa.Text()), nullable=True, comment="Options that replace the schedule's, one by one"),
    sa.Column('backfill_from', sa.DateTime(timezone=True), nullable=True, comment='First due time, inclusive'),
    sa.Column('backfill_until', sa.DateTime(timezone=True), nullable=True, comment='Last due time, inclusive'),
    sa.Column('overlap', sa.Text(), nullable=True, comment='Overlap policy of a backfill; null: buffer_all'),
    sa.Column('note', sa.Text(), nullable=True, comment='Why'),
    sa.Column('requested_at', sa.DateTime(timezone=True), server_default=sa.text('clock_timestamp()'), nullable=False, comment='When'),
    sa.Column('requested_by', sa.Text(), server_default=sa.text("coalesce(nullif(current_setting('app.actor', true), ''), session_user)"), nullable=False, comment='Person (app.actor) or role'),
    sa.Column('program', sa.Text(), server_default=sa.text("current_setting('application_name')"), nullable=True, comment='application_name of the session'),
    sa.Column('next_due_at', sa.DateTime(timezone=True), nullable=True, comment='A long backfill goes on from here'),
    sa.Column('answered_at', sa.DateTime(timezone=True), nullable=True, comment='When beat was done with it'),
    sa.Column('answer', sa.Text(), nullable=True, comment='What beat did, in a sentence'),
    sa.Column('answer_run_id', sa.Uuid(), nullable=True, comment='The run it led to'),
    sa.CheckConstraint("(action = 'backfill') = (backfill_from is not null and backfill_until is not null)", name='a backfill, and only it, has a range'),
    sa.CheckConstraint("(action in ('run', 'backfill')) = (schedule is not null)", name='run and backfill name a schedule, stop and retry a run'),
    sa.CheckConstraint("(action in ('stop', 'retry')) = (run_id is not null)", name='stop and retry name a run'),
    sa.CheckConstraint("action in ('run', 'backfill', 'stop', 'retry')", name='action: run, backfill, stop, retry'),
    sa.CheckConstraint('backfill_until >= backfill_from', name='a backfill ends no earlier than it begins'),
    sa.PrimaryKeyConstraint('id', name=op.f('run_request_pkey')),
    comment='What people ask of beat: run now, backfill, stop, retry; with its answer.'
    )
    op.create_index('run_request_by_time', 'run_request', ['requested_at'], unique=False)
    op.create_index('run_request_open', 'run_request', ['id'], unique=False, postgresql_where=sa.text('answered_at is null'))
    op.create_table('schedule_change',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=True), nullable=False, comment='Order of the changes'),
    sa.Column('schedule', sa.Text(), nullable=False, comment='Name of the schedule'),
    sa.Column('action', sa.Text(), nullable=False, comment='insert | update | delete'),
    sa.Column('changes', postgresql.JSONB(astext_type=sa.Text()), nullable=False, comment='Only what changed: {"every": ["04:00:00", "02:00:00"]}'),
    sa.Column('changed_at', sa.DateTime(timezone=True), server_default=sa.text('clock_timestamp()'), nullable=False, comment='When'),
    sa.Column('changed_by', sa.Text(), nullable=False, comment='Person or role'),
    sa.Column('program', sa.Text(), nullable=True, comment='application_name of the session'),
    sa.PrimaryKeyConstraint('id', name=op.f('schedule_change_pkey')),
    comment='The audit: what changed, from what to what, by whom, with which program.'
    )
    op.create_index('schedule_change_by_schedule', 'schedule_change', ['schedule', 'changed_at'], unique=False)
    op.create_index('schedule_change_by_time', 'schedule_change', ['changed_at'], unique=False)
    op.create_table('schedule_edit',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=True), nullable=False, comment='Order of the edits'),
    sa.Column('schedule', sa.Text(), nullable=False, comment='Name of the schedule edited'),
    sa.Column('edited_at', sa.DateTime(timezone=True), server_default=sa.text('clock_timestamp()'), nullable=False, comment='Edited at'),
    sa.PrimaryKeyConstraint('id', name=op.f('schedule_edit_pkey')),
    comment='Edits that beat has not planned yet; appended by trigger.'
    )
    op.create_table('task_kind',
    sa.Column('name', sa.Text(), nullable=False, comment='Path of its module'),
    sa.Column('description', sa.Text(), nullable=False, comment='What it does, in a sentence'),
    sa.Column('options_schema', postgresql.JSONB(astext_type=sa.Text()), nullable=False, comment='JSON Schema of its options; the database checks edits by it'),
    sa.Column('queue', sa.Text(), nullable=False, comment='Queue its runs go to by default'),
    sa.Column('upstream', sa.Text(), nullable=True, comment='Upstream it calls most'),
    sa.Column('min_every', sa.Interval(), nullable=True, comment='Shortest interval allowed'),
    sa.Column('max_every', sa.Interval(), nullable=True, comment='Longest interval allowed'),
    sa.Column('allowed_every', postgresql.ARRAY(sa.Interval()), nullable=True, comment='The only intervals allowed, when set'),
    sa.Column('max_running', sa.Integer(), nullable=True, comment='Most of its runs active at once'),
    sa.Column('max_attempts', sa.Integer(), server_default=sa.text('3'), nullable=False, comment='Attempts per batch, unless the schedule says otherwise'),
    sa.Column('timeout', sa.Interval(), nullable=True, comment='Longest time of a run, unless the schedule says otherwise'),
    sa.Column('retired_at', sa.DateTime(timezone=True), nullable=True, comment='No worker knows it any more, since then'),
    sa.Column('updated_at', sa.DateTime(timezone=True), server_default=sa.text('clock_timestamp()'), nullable=False, comment='Last registered'),
    sa.PrimaryKeyConstraint('name', name=op.f('task_kind_pkey')),
    comment='Which tasks exist and what they take; written by migrate.'
    )
    op.create_table('batch',
    sa.Column('run_id', sa.Uuid(), nullable=False, comment='Its run'),
    sa.Column('seq', sa.Integer(), autoincrement=False, nullable=False, comment='0 plans the run, or does a small one whole'),
    sa.Column('task', sa.Text(), nullable=False, comment="The run's task, for the message"),
    sa.Column('queue', sa.Text(), nullable=False, comment='Queue of its message'),
    sa.Column('priority', sa.SmallInteger(), server_default=sa.text('5'), nullable=False, comment='0 to 9, 9 first'),
    sa.Column('state', sa.Text(), server_default=sa.text("'waiting'"), nullable=False, comment='waiting | sent | running | done | failed | deferred | stopped'),
    sa.Column('items', postgresql.JSONB(astext_type=sa.Text()), nullable=True, comment="Its items with each one's outcome; null: not planned yet"),
    sa.Column('total', sa.Integer(), server_default=sa.text('0'), nullable=False, comment='Items it has'),
    sa.Column('done', sa.Integer(), server_default=sa.text('0'), nullable=False, comment='Items done'),
    sa.Column('failed', sa.Integer(), server_default=sa.text('0'), nullable=False, comment='Items failed'),
    sa.Column('deferred', sa.Integer(), server_default=sa.text('0'), nullable=False, comment='Items deferred'),
    sa.Column('not_before', sa.DateTime(timezone=True), nullable=True, comment='No worker takes it earlier (batch delay, back-off)'),
    sa.Column('send_at', sa.DateTime(timezone=True), server_default=sa.text('clock_timestamp()'), nullable=True, comment='When a message for it is to be sent, or looked for again; null: not until released'),
    sa.Column('sends', sa.SmallInteger(), server_default=sa.text('0'), nullable=False, comment='Messages sent since it was last claimed'),
    sa.Column('waiting_for', sa.Text(), nullable=True, comment='Upstream whose quota it waits for, until a worker has it'),
    sa.Column('fence', sa.Integer(), server_default=sa.text('0'), nullable=False, comment='Rises at every claim; an older holder writes nothing'),
    sa.Column('attempt', sa.SmallInteger(), server_default=sa.text('0'), nullable=False, comment='Failures of the task so far'),
    sa.Column('deaths', sa.SmallInteger(), server_default=sa.text('0'), nullable=False, comment='Leases that ended with nobody answering'),
    sa.Column('lease_until', sa.DateTime(timezone=True), nullable=True, comment='Its worker is believed alive until then'),
    sa.Column('worker', sa.Text(), nullable=True, comment='Who holds or last held it'),
    sa.Column('error', sa.Text(), nullable=True, comment='What went wrong last'),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('clock_timestamp()'), nullable=False, comment='Planned at'),
    sa.Column('updated_at', sa.DateTime(timezone=True), server_default=sa.text('clock_timestamp()'), nullable=False, comment='Last change of state; order of waiting'),
    sa.Column('started_at', sa.DateTime(timezone=True), nullable=True, comment='First claimed'),
    sa.Column('finished_at', sa.DateTime(timezone=True), nullable=True, comment='Ended'),
    sa.CheckConstraint("state in ('waiting', 'sent', 'running', 'done', 'failed', 'deferred', 'stopped')", name='state is one of those in the docs'),
    sa.ForeignKeyConstraint(['run_id'], ['run.id'], name=op.f('batch_run_id_fkey'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('run_id', 'seq', name=op.f('batch_pkey')),
    comment='The unit of message, lease and loss: some items of a run.'
    )
    op.create_index('batch_leased', 'batch', ['lease_until'], unique=False, postgresql_where=sa.text("state = 'running'"))
    op.create_index('batch_ready_by_queue', 'batch', ['queue', sa.literal_column('priority desc'), 'send_at'], unique=False, postgresql_where=sa.text("state in ('waiting', 'sent', 'running')"))
    op.create_index('batch_to_send', 'batch', ['send_at'], unique=False, postgresql_where=sa.text("state in ('waiting', 'sent')"))
    op.create_index('batch_waiting_for_upstream', 'batch', ['waiting_for', sa.literal_column('priority desc'), 'updated_at'], unique=False, postgresql_where=sa.text("state in ('waiting', 'sent') and waiting_for is not null"))
    op.create_table('schedule',
    sa.Column('name', sa.Text(), nullable=False, comment='Lower-case words joined by hyphens; history is filed here'),
    sa.Column('title', sa.Text(), nullable=True, comment='For people'),
    sa.Column('task', sa.Text(), nullable=False, comment='The kind of work; cannot be changed'),
    sa.Column('options', postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False, comment="What the task is told, by its kind's schema"),
    sa.Column('every', sa.Interval(), nullable=True, comment="Runs every so often: '15 minutes', '2 hours', '1 day'"),
    sa.Column('cron', sa.Text(), nullable=True, comment="minute hour day month weekday, in its timezone; several with ';'"),
    sa.Column('at', sa.DateTime(timezone=True), nullable=True, comment='Runs once, then'),
    sa.Column('after', sa.Text(), nullable=True, comment='Runs whenever this other schedule has succeeded'),
    sa.Column('timezone', sa.Text(), server_default=sa.text("'UTC'"), nullable=False, comment='IANA zone that cron is read in'),
    sa.Column('calendar', sa.Text(), nullable=True, comment='Exchange (MIC, e.g. XNYS) whose trading days alone count'),
    sa.Column('calendar_hours', sa.Text(), server_default=sa.text("'day'"), nullable=False, comment='day: any hour of it; session: open to close'),
    sa.Column('starts_at', sa.DateTime(timezone=True), nullable=True, comment='Not due earlier; the grid of every begins here'),
    sa.Column('ends_at', sa.DateTime(timezone=True), nullable=True, comment='Not due at or after this'),
    sa.Column('jitter', sa.Interval(), nullable=True, comment='Spread each start over so long, the same way on every beat'),
    sa.Column('overlap', sa.Text(), server_default=sa.text("'skip'"), nullable=False, comment='When the last run still runs: skip | buffer_one | buffer_all | cancel_other | allow_all'),
    sa.Column('catch_up', sa.Text(), server_default=sa.text("'latest'"), nullable=False, comment='What was missed runs: latest | all | none'),
    sa.Column('catch_up_window', sa.Interval(), server_default=sa.text("interval '1 day'"), nullable=False, comment='Older than this is given up, in one missed row'),
    sa.Column('max_runs', sa.Integer(), nullable=True, comment='Stops after so many runs'),
    sa.Column('enabled', sa.Boolean(), server_default=sa.text('true'), nullable=False, comment='false: not planned at all'),
    sa.Column('paused_until', sa.DateTime(timezone=True), nullable=True, comment="Not due until then; 'infinity': until resumed"),
    sa.Column('note', sa.Text(), nullable=True, comment='Why it is as it is'),
    sa.Column('pause_after_failures', sa.Integer(), nullable=True, comment='Pauses itself after so many failed runs in a row'),
    sa.Column('max_attempts', sa.SmallInteger(), nullable=True, comment="Attempts per batch; null: the kind's"),
    sa.Column('timeout', sa.Interval(), nullable=True, comment="Longest time a run may take; null: no limit but the kind's"),
    sa.Column('expires', sa.Interval(), nullable=True, comment='A run not started so long after its due time is not worth starting'),
    sa.Column('queue', sa.Text(), nullable=True, comment="Queue; null: the kind's"),
    sa.Column('priority', sa.SmallInteger(), server_default=sa.text('5'), nullable=False, comment='0 to 9, 9 first'),
    sa.Column('batch_size', sa.Integer(), nullable=True, comment="Items a batch; null: the kind's"),
    sa.Column('batch_delay', sa.Interval(), nullable=True, comment="Least time between two batches of a run; null: the kind's"),
    sa.Column('max_in_flight', sa.Integer(), nullable=True, comment='Batches of a run that may run at once; null: any number'),
    sa.Column('revision', sa.BigInteger(), server_default=sa.text('0'), nullable=False, comment='Rises at every edit (trigger)'),
    sa.Column('updated_at', sa.DateTime(timezone=True), server_default=sa.text('clock_timestamp()'), nullable=False, comment='Last edit (trigger)'),
    sa.Column('updated_by', sa.Text(), nullable=True, comment='Who edited it last (trigger)'),
    sa.CheckConstraint("batch_delay >= interval '0'", name='batch_delay cannot be negative'),
    sa.CheckConstraint("calendar_hours in ('day', 'session')", name='calendar_hours: day or session'),
    sa.CheckConstraint("catch_up in ('latest', 'all', 'none')", name='catch_up: latest, all or none'),
    sa.CheckConstraint("catch_up_window >= interval '0'", name='catch_up_window cannot be negative'),
    sa.CheckConstraint("every > interval '0'", name='every must be longer than nothing'),
    sa.CheckConstraint("expires > interval '0'", name='expires must be longer than nothing'),
    sa.CheckConstraint("jitter >= interval '0'", name='jitter cannot be negative'),
    sa.CheckConstraint("jsonb_typeof(options) = 'object'", name='options must be a JSON object'),
    sa.CheckConstraint("name ~ '^[a-z0-9]+(-[a-z0-9]+)*$' and length(name) <= 100", name='name: lower-case words and digits joined by hyphens'),
    sa.CheckConstraint("overlap in ('skip', 'buffer_one', 'buffer_all', 'cancel_other', 'allow_all')", name='overlap: skip|buffer_one|buffer_all|cancel_other|allow_all'),
    sa.CheckConstraint("timeout > interval '0'", name='timeout must be longer than nothing'),
    sa.CheckConstraint('after <> name', name='after: a schedule cannot follow itself'),
    sa.CheckConstraint('batch_size >= 1', name='batch_size must be 1 or more'),
    sa.CheckConstraint('catch_up_window is null or (extract(year from catch_up_window) = 0 and extract(month from catch_up_window) = 0)', name='catch_up_window: no months or years, use cron for those'),
    sa.CheckConstraint('ends_at > starts_at', name='ends_at must be later than starts_at'),
    sa.CheckConstraint('every is null or (extract(year from every) = 0 and extract(month from every) = 0)', name='every: no months or years, use cron for those'),
    sa.CheckConstraint('expires is null or (extract(year from expires) = 0 and extract(month from expires) = 0)', name='expires: no months or years, use cron for those'),
    sa.CheckConstraint('jitter is null or (extract(year from jitter) = 0 and extract(month from jitter) = 0)', name='jitter: no months or years, use cron for those'),
    sa.CheckConstraint('max_attempts >= 1', name='max_attempts must be 1 or more'),
    sa.CheckConstraint('max_in_flight >= 1', name='max_in_flight must be 1 or more'),
    sa.CheckConstraint('max_runs >= 1', name='max_runs must be 1 or more'),
    sa.CheckConstraint('num_nonnulls(every, cron, at, after) = 1', name='set exactly one of every, cron, at, after'),
    sa.CheckConstraint('pause_after_failures >= 1', name='pause_after_failures must be 1 or more'),
    sa.CheckConstraint('priority between 0 and 9', name='priority: 0 to 9, and 9 goes first'),
    sa.CheckConstraint('timeout is null or (extract(year from timeout) = 0 and extract(month from timeout) = 0)', name='timeout: no months or years, use cron for those'),
    sa.ForeignKeyConstraint(['after'], ['schedule.name'], name=op.f('schedule_after_fkey'), ondelete='RESTRICT'),
    sa.ForeignKeyConstraint(['task'], ['task_kind.name'], name=op.f('schedule_task_fkey')),
    sa.PrimaryKeyConstraint('name', name=op.f('schedule_pkey')),
    comment='What to watch and how often: edit it with SQL, beat obeys at once.'
    )
    op.create_index('schedule_by_after', 'schedule', ['after'], unique=False, postgresql_where=sa.text('after is not null'))
    op.create_index('schedule_by_task', 'schedule', ['task'], unique=False)
    op.create_table('schedule_state',
    sa.Column('schedule', sa.Text(), nullable=False, comment='The schedule'),
    sa.Column('planned_revision', sa.BigInteger(), nullable=True, comment='Revision of the schedule that this plan is made from'),
    sa.Column('anchor_at', sa.DateTime(timezone=True), nullable=True, comment='Where the grid of every begins'),
    sa.Column('next_run_at', sa.DateTime(timezone=True), nullable=True, comment='Next due time (nominal); null: none'),
    sa.Column('claim_at', sa.DateTime(timezone=True), nullable=True, comment='When beat acts on it: next_run_at plus jitter'),
    sa.Column('last_due_at', sa.DateTime(timezone=True), nullable=True, comment='Latest due time accounted for'),
    sa.Column('runs_counted', sa.BigInteger(), server_default=sa.text('0'), nullable=False, comment='Runs started so far, against max_runs'),
    sa.Column('consecutive_failures', sa.Integer(), server_default=sa.text('0'), nullable=False, comment='Failed runs since the last success'),
    sa.Column('tripped_at', sa.DateTime(timezone=True), nullable=True, comment='Since when it has paused itself; any edit clears it'),
    sa.Column('tripped_reason', sa.Text(), nullable=True, comment='Why it has paused itself'),
    sa.Column('error', sa.Text(), nullable=True, comment='Why beat set it aside; any edit lets beat try again'),
    sa.Column('error_at', sa.DateTime(timezone=True), nullable=True, comment='When beat set it aside'),
    sa.Column('updated_at', sa.DateTime(timezone=True), server_default=sa.text('clock_timestamp()'), nullable=False, comment='Last change by beat'),
    sa.ForeignKeyConstraint(['schedule'], ['schedule.name'], name=op.f('schedule_state_schedule_fkey'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('schedule', name=op.f('schedule_state_pkey')),
    comment='What beat knows of each schedule: next run, failures, errors.',
    postgresql_with={'fillfactor': '75'}
    )
    op.create_index('schedule_state_due', 'schedule_state', ['claim_at'], unique=False, postgresql_where=sa.text('claim_at is not null'))
    op.create_index('schedule_state_wrong', 'schedule_state', ['error_at'], unique=False, postgresql_where=sa.text('error is not null'))
    load_sql("actor", "schedule_difference", "schedule_stamp", "schedule_edited", "run_requested")

def downgrade() -> None:
    op.drop_index('schedule_state_wrong', table_name='schedule_state', postgresql_where=sa.text('error is not null'))
    op.drop_index('schedule_state_due', table_name='schedule_state', postgresql_where=sa.text('claim_at is not null'))
    op.drop_table('schedule_state')
    op.drop_index('schedule_by_task', table_name='schedule')
    op.drop_index('schedule_by_after', table_name='schedule', postgresql_where=sa.text('after is not null'))
    op.drop_table('schedule')
    op.drop_index('batch_waiting_for_upstream', table_name='batch', postgresql_where=sa.text("state in ('waiting', 'sent') and waiting_for is not null"))
    op.drop_index('batch_to_send', table_name='batch', postgresql_where=sa.text("state in ('waiting', 'sent')"))
    op.drop_index('batch_ready_by_queue', table_name='batch', postgresql_where=sa.text("state in ('waiting', 'sent', 'running')"))
    op.drop_index('batch_leased', table_name='batch', postgresql_where=sa.text("state = 'running'"))
    op.drop_table('batch')
    op.drop_table('task_kind')
    op.drop_table('schedule_edit')
    op.drop_index('schedule_change_by_time', table_name='schedule_change')
    op.drop_index('schedule_change_by_schedule', table_name='schedule_change')
    op.drop_table('schedule_change')
    op.drop_index('run_request_open', table_name='run_request', postgresql_where=sa.text('answered_at is null'))
    op.drop_index('run_request_by_time', table_name='run_request')
    op.drop_table('run_request')
    op.drop_index('run_uncounted', table_name='run', postgresql_where=sa.text('finished_at is not null and not counted'))
    op.drop_index('run_stopping', table_name='run', postgresql_where=sa.text("state in ('due', 'running', 'held') and stop_requested_at is not null"))
    op.drop_index('run_task_active', table_name='run', postgresql_where=sa.text("state in ('due', 'running')"))
    op.drop_index('run_one_per_due_time', table_name='run', postgresql_where=sa.text("trigger = 'schedule'"))
    op.drop_index('run_one_exclusive', table_name='run', postgresql_where=sa.text("exclusive and state in ('due', 'running')"))
    op.drop_index('run_held', table_name='run', postgresql_where=sa.text("state = 'held'"))
    op.drop_index('run_failures', table_name='run', postgresql_where=sa.text("state in ('failed', 'partial')"))
    op.drop_index('run_deadline', table_name='run', postgresql_where=sa.text("state in ('due', 'running') and deadline_at is not null"))
    op.drop_index('run_by_schedule', table_name='run')
    op.drop_index('run_by_creation', table_name='run')
    op.drop_index('run_active', table_name='run', postgresql_where=sa.text("state in ('due', 'running', 'held')"))
    op.drop_table('run')
    op.drop_table('heartbeat')
    for name in ("schedule_edited()", "schedule_stamp()", "schedule_difference(jsonb, jsonb)", "run_requested()", "actor()", "ended_items(jsonb, text, text)"):
        op.execute(f"drop function if exists {name}")
    op.execute("drop sequence schedule_revision")
