"""Incidents and the daily digest."""

import sqlalchemy as sa
from alembic import op

from workers.migrate import load_sql

revision = "0062"
down_revision = "0061"

#: name, title, task, every, cron
SCHEDULES = (
    ("incidents", "Tells what breaks and what recovers", "tasks.watches.incidents", "1 minute", None),
    ("digest", "What happened since yesterday; set timezone to yours", "tasks.watches.digest", None, "0 8 * * *"),
)


def upgrade() -> None:
    op.create_table('incident',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False, comment='Order'),
    sa.Column('kind', sa.Text(), nullable=False, comment='failing | tripped | late | set aside | quota low | blocked | beat silent'),
    sa.Column('subject', sa.Text(), nullable=False, comment='Schedule, upstream or beat'),
    sa.Column('title', sa.Text(), nullable=False, comment='What is the matter'),
    sa.Column('text', sa.Text(), nullable=False, comment='Why, as far as is known'),
    sa.Column('opened_at', sa.DateTime(timezone=True), server_default=sa.text('clock_timestamp()'), nullable=False, comment='Seen first'),
    sa.Column('closed_at', sa.DateTime(timezone=True), nullable=True, comment='Well again; null: still broken'),
    sa.PrimaryKeyConstraint('id', name=op.f('incident_pkey')),
    comment='What broke, and when it was well again.'
    )
    op.create_index('incident_open', 'incident', ['kind', 'subject'], unique=True, postgresql_where=sa.text('closed_at is null'))
    op.create_index('incident_by_time', 'incident', ['opened_at'], unique=False)
    load_sql("trouble")
    bind = op.get_bind()
    op.execute("alter table schedule disable trigger schedule_check")
    for name, title, task, every, cron in SCHEDULES:
        bind.execute(
            sa.text("insert into task_kind (name, description, options_schema, queue)"
                    " values (:task, :task, '{}', 'notices') on conflict do nothing"),
            {"task": task},
        )
        bind.execute(
            sa.text("insert into schedule (name, title, task, every, cron) values"
                    " (:name, :title, :task, cast(:every as text)::interval, :cron) on conflict do nothing"),
            {"name": name, "title": title, "task": task, "every": every, "cron": cron},
        )
    op.execute("alter table schedule enable trigger schedule_check")


def downgrade() -> None:
    op.execute("drop view trouble")
    op.execute("delete from schedule where task in ('tasks.watches.incidents', 'tasks.watches.digest')")
    op.drop_table('incident')
