"""What people see and what the database refuses."""

import sqlalchemy as sa
from alembic import op

from workers.migrate import load_sql

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.execute("create extension if not exists pg_trgm")
    op.create_table('pause_switch',
    sa.Column('single', sa.Boolean(), server_default=sa.text('true'), nullable=False, comment='Always true: one row'),
    sa.Column('paused', sa.Boolean(), server_default=sa.text('false'), nullable=False, comment='Nothing is claimed'),
    sa.Column('note', sa.Text(), nullable=True, comment='Why'),
    sa.Column('changed_by', sa.Text(), nullable=True, comment='Who'),
    sa.Column('changed_at', sa.DateTime(timezone=True), nullable=True, comment='When'),
    sa.CheckConstraint('single', name='there is one switch only'),
    sa.PrimaryKeyConstraint('single', name=op.f('pause_switch_pkey')),
    comment='One row: whether everything is paused.'
    )
    op.execute("insert into pause_switch default values")
    load_sql("cron_problem", "option_fits", "option_words", "options_check", "schedule_check_timing", "schedule_check_every", "schedule_check_cron", "schedule_check_timezone", "schedule_check_calendar", "schedule_check_after", "schedule_check", "cron_words", "words", "schedule_status", "views", "functions", "pause_switched")


FUNCTIONS = (
    "pause_all", "resume_all", "backfill", "retry_run", "stop_run", "resume", "pause", "run_now", "schedule_named",
    "schedule_words", "in_words", "ago_words", "brief_words", "ahead_words", "sign_words", "past_words", "duration_words", "schedule_check", "schedule_check_timing",
    "schedule_check_every", "schedule_check_timezone", "schedule_check_calendar", "schedule_check_cron",
    "schedule_check_after", "options_check", "option_fits", "option_format_fits", "option_words",
    "cron_words", "cron_problem", "cron_item_fits", "cron_value", "pause_switched",
)


def downgrade() -> None:
    for view in ("schedule_status", "running_now", "recent_runs", "recent_failures", "quota_status", "queue_status", "health", "recent_changes"):
        op.execute(f"drop view {view}")
    op.execute("drop trigger schedule_check on schedule")
    for name in FUNCTIONS:
        op.execute(f"drop function {name} cascade")
    op.drop_table('pause_switch')
