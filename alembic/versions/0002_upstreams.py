"""Upstreams, their quotas, the permits."""

import sqlalchemy as sa
from alembic import op

from workers.migrate import load_sql

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table('upstream',
    sa.Column('name', sa.Text(), nullable=False, comment='Name used by tasks'),
    sa.Column('base_url', sa.Text(), nullable=False, comment='Where it is; paths are added to it'),
    sa.Column('concurrency', sa.Integer(), server_default=sa.text('4'), nullable=False, comment='Calls in flight at once, over all workers'),
    sa.Column('spacing', sa.Interval(), server_default=sa.text("interval '0'"), nullable=False, comment='Least time between one answer and the next call'),
    sa.Column('obey_robots', sa.Boolean(), server_default=sa.text('false'), nullable=False, comment='Read and obey robots.txt (web sites; not APIs)'),
    sa.Column('enabled', sa.Boolean(), server_default=sa.text('true'), nullable=False, comment='false: nobody calls it'),
    sa.Column('note', sa.Text(), nullable=True, comment='Why it is as it is'),
    sa.Column('updated_at', sa.DateTime(timezone=True), server_default=sa.text('clock_timestamp()'), nullable=False, comment='Last edit'),
    sa.CheckConstraint("base_url ~ '^https?://[^/]'", name='base_url must begin with https:// or http://'),
    sa.CheckConstraint("name ~ '^[a-z0-9]+(_[a-z0-9]+)*$'", name='name: lower-case words and digits joined by _'),
    sa.CheckConstraint("spacing <= interval '1 day'", name='spacing is at most a day; use a quota for more'),
    sa.CheckConstraint("spacing >= interval '0'", name='spacing cannot be negative'),
    sa.CheckConstraint('concurrency >= 1', name='concurrency must be 1 or more; to stop calls: enabled=false'),
    sa.PrimaryKeyConstraint('name', name=op.f('upstream_pkey')),
    comment='Servers of somebody else, and how politely we call them; edit with SQL.'
    )
    op.create_table('permit',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=True), nullable=False, comment='Order of the calls'),
    sa.Column('upstream', sa.Text(), nullable=False, comment='The upstream'),
    sa.Column('granted_at', sa.DateTime(timezone=True), nullable=False, comment='When the call was let through'),
    sa.Column('stamp', sa.DateTime(timezone=True), nullable=False, comment='End of its lease; once settled, when the answer was in'),
    sa.Column('settled', sa.Boolean(), server_default=sa.text('false'), nullable=False, comment='Whether the answer is in'),
    sa.Column('status', sa.SmallInteger(), nullable=True, comment='HTTP status of the answer'),
    sa.Column('run_id', sa.Uuid(), nullable=True, comment='The run that called'),
    sa.Column('seq', sa.Integer(), nullable=True, comment='The batch that called'),
    sa.Column('path', sa.Text(), nullable=True, comment='What was called, without secrets'),
    sa.ForeignKeyConstraint(['upstream'], ['upstream.name'], name=op.f('permit_upstream_fkey'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('permit_pkey')),
    comment="Every call to an upstream: the limiter's log and the audit trail."
    )
    op.create_index('permit_by_run', 'permit', ['run_id'], unique=False, postgresql_where=sa.text('run_id is not null'))
    op.create_index('permit_by_stamp', 'permit', ['upstream', sa.literal_column('stamp desc')], unique=False)
    op.create_index('permit_in_flight', 'permit', ['upstream', sa.literal_column('stamp desc')], unique=False, postgresql_where=sa.text('not settled'))
    op.create_table('quota',
    sa.Column('upstream', sa.Text(), nullable=False, comment='The upstream'),
    sa.Column('per', sa.Interval(), nullable=False, comment="Length of the window, e.g. '1 minute', '1 day'"),
    sa.Column('calls', sa.Integer(), nullable=False, comment='Most calls in any such window'),
    sa.Column('note', sa.Text(), nullable=True, comment='Where the number comes from'),
    sa.CheckConstraint("per <= interval '31 days'", name='per is at most 31 days'),
    sa.CheckConstraint("per > interval '0'", name='per must be longer than nothing'),
    sa.CheckConstraint('calls >= 1', name='calls must be 1 or more; to stop calls disable the upstream'),
    sa.CheckConstraint('extract(year from per) = 0 and extract(month from per) = 0', name='per: no months or years, write 30 days'),
    sa.ForeignKeyConstraint(['upstream'], ['upstream.name'], name=op.f('quota_upstream_fkey'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('upstream', 'per', name=op.f('quota_pkey')),
    comment='Rolling limits of upstreams: at most so many calls in any window so long.'
    )
    op.create_table('upstream_state',
    sa.Column('upstream', sa.Text(), nullable=False, comment='The upstream'),
    sa.Column('closed_until', sa.DateTime(timezone=True), nullable=True, comment='Nobody calls it before'),
    sa.Column('closed_reason', sa.Text(), nullable=True, comment='Why it is closed'),
    sa.Column('failures', sa.Integer(), server_default=sa.text('0'), nullable=False, comment='Closings or outages in a row; a good answer clears them'),
    sa.Column('crawl_delay', sa.Interval(), nullable=True, comment='What its robots.txt asks for, when longer than spacing'),
    sa.Column('next_permit_at', sa.DateTime(timezone=True), server_default=sa.text('clock_timestamp()'), nullable=False, comment='No permit before this, as far as is known; beat releases waiting batches then'),
    sa.Column('next_permit_reason', sa.Text(), nullable=True, comment='What it waits for'),
    sa.Column('spare', sa.Integer(), nullable=True, comment='Permits to give before wide windows are counted again; null: count now'),
    sa.ForeignKeyConstraint(['upstream'], ['upstream.name'], name=op.f('upstream_state_upstream_fkey'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('upstream', name=op.f('upstream_state_pkey')),
    comment='The door to each upstream: closed until when and why, next permit when.',
    postgresql_with={'fillfactor': '50'}
    )
    op.create_index('upstream_state_next_permit', 'upstream_state', ['next_permit_at'], unique=False)
    load_sql("settle_permits", "take_permit", "permits_available", "upstream_edited")


def downgrade() -> None:
    # Later texts of these functions need others, which stay until here.
    op.execute("drop function if exists permit_refusal(upstream, upstream_state, timestamptz, boolean)")
    op.drop_index('upstream_state_next_permit', table_name='upstream_state')
    op.drop_table('upstream_state')
    op.drop_table('quota')
    op.drop_index('permit_in_flight', table_name='permit', postgresql_where=sa.text('not settled'))
    op.drop_index('permit_by_stamp', table_name='permit')
    op.drop_index('permit_by_run', table_name='permit', postgresql_where=sa.text('run_id is not null'))
    op.drop_table('permit')
    op.drop_table('upstream')
    for name in ("take_permit(text, interval, uuid, integer, text, bigint[], double precision[], integer[])",
                 "settle_permits(bigint[], double precision[], integer[])",
                 "permits_available(text, timestamptz)", "upstream_edited()", "upstream_added()", "upstream_stamped()"):
        op.execute(f"drop function {name}")
