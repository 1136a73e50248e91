"""Why a permit is refused is asked in one place; who waits for long is told; a day begins with its first midnight."""

import sqlalchemy as sa
from alembic import op

from workers.migrate import load_sql

revision = "0076"
down_revision = "0075"

TAKE = "take_permit(text, interval, uuid, integer, text, bigint[], double precision[], integer[])"


def upgrade() -> None:
    op.create_index(
        "batch_waiting_run", "batch", ["waiting_for", "run_id"], unique=False,
        postgresql_where=sa.text("state in ('waiting', 'sent') and waiting_for is not null"),
    )
    op.create_table('robots_file',
    sa.Column('upstream', sa.Text(), nullable=False, comment='The upstream'),
    sa.Column('url', sa.Text(), nullable=False, comment='Where it was fetched from'),
    sa.Column('body', sa.Text(), nullable=False, comment='The file; empty where there is none'),
    sa.Column('fetched_at', sa.DateTime(timezone=True), server_default=sa.text('clock_timestamp()'), nullable=False, comment='When'),
    sa.ForeignKeyConstraint(['upstream'], ['upstream.name'], name=op.f('robots_file_upstream_fkey'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('upstream', name=op.f('robots_file_pkey')),
    comment="Each site's robots.txt as it was fetched last."
    )
    op.create_table('detour',
    sa.Column('run_id', sa.Uuid(), nullable=False, comment='Its run'),
    sa.Column('seq', sa.Integer(), autoincrement=False, nullable=False, comment='Its batch'),
    sa.Column('url', sa.Text(), nullable=False, comment='What was asked for'),
    sa.Column('location', sa.Text(), nullable=False, comment='Where it led, at the same server'),
    sa.ForeignKeyConstraint(['run_id'], ['run.id'], name=op.f('detour_run_id_fkey'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('run_id', 'seq', 'url', name=op.f('detour_pkey')),
    comment='Redirects followed half-way by a batch that must wait for its next call.'
    )
    # As a new site's upstream has it from its first row on.
    op.execute("update upstream set obey_robots = true where name in (select upstream from site)")
    op.execute(f"drop function {TAKE}")
    load_sql("ended_items", "window_start", "permit_refusal", "take_permit", "permits_available")


def downgrade() -> None:
    """Functions keep their newest text, which serves what was before."""
    op.drop_table('detour')
    op.drop_table('robots_file')
    op.drop_index(
        "batch_waiting_run", table_name="batch",
        postgresql_where=sa.text("state in ('waiting', 'sent') and waiting_for is not null"),
    )
