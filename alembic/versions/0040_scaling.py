"""Bounds of worker groups; the index that says what could run now in a queue."""

import sqlalchemy as sa
from alembic import op

from workers.migrate import load_sql

revision = "0040"
down_revision = "0015"


def upgrade() -> None:
    op.create_table('worker_group',
    sa.Column('name', sa.Text(), nullable=False, comment='Node name up to the @, e.g. prices for prices@host'),
    sa.Column('min_processes', sa.Integer(), nullable=False, comment='Processes that each worker always has'),
    sa.Column('max_processes', sa.Integer(), nullable=False, comment='Processes that each worker has at most'),
    sa.Column('note', sa.Text(), nullable=True, comment='Why it is as it is'),
    sa.CheckConstraint("name ~ '^[^@ ]+$'", name="name: what stands before @ in a worker's node name"),
    sa.CheckConstraint('max_processes <= 500', name='max_processes is at most 500 a worker'),
    sa.CheckConstraint('max_processes >= min_processes', name='max_processes cannot be less than min_processes'),
    sa.CheckConstraint('min_processes >= 1', name='min_processes must be 1 or more'),
    sa.PrimaryKeyConstraint('name', name=op.f('worker_group_pkey')),
    comment='Bounds of the pools of workers, by group; without a row --autoscale holds.'
    )
    op.drop_index('batch_ready_by_queue', table_name='batch', postgresql_where=sa.text("state in ('waiting', 'sent', 'running')"))
    op.create_index('batch_by_queue', 'batch', ['queue', 'state', 'send_at'], unique=False, postgresql_where=sa.text("state in ('waiting', 'sent', 'running')"))
    load_sql("scaling_status")


def downgrade() -> None:
    op.execute("drop view scaling_status")
    op.drop_index('batch_by_queue', table_name='batch', postgresql_where=sa.text("state in ('waiting', 'sent', 'running')"))
    op.create_index('batch_ready_by_queue', 'batch', ['queue', sa.literal_column('priority desc'), 'send_at'], unique=False, postgresql_where=sa.text("state in ('waiting', 'sent', 'running')"))
    op.drop_table('worker_group')
