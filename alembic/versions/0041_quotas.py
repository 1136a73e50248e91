"""Quotas by the calendar and paced over their window; permits taken with less work."""

import sqlalchemy as sa
from alembic import op

from workers.migrate import load_sql

revision = "0041"
down_revision = "0040"


def upgrade() -> None:
    op.add_column('quota', sa.Column('timezone', sa.Text(), nullable=True, comment='Counts calendar days of this timezone; null: any window so long'))
    op.add_column('quota', sa.Column('paced', sa.Boolean(), server_default=sa.text('false'), nullable=False, comment="Spread evenly: one call per per/calls, so that a day's quota lasts the day"))
    op.create_check_constraint("a quota with a timezone counts its days: per must be 1 day", 'quota', "timezone is null or per = interval '1 day'")
    op.create_table_comment('quota', 'Limits of upstreams: at most so many calls in any window so long.', existing_comment='Rolling limits of upstreams: at most so many calls in any window so long.')
    # What is in flight has its stamp ahead: the index by stamp finds it.
    op.drop_index('permit_in_flight', table_name='permit', postgresql_where=sa.text('not settled'))
    op.execute("drop view if exists quota_status")
    load_sql("window_start", "take_permit", "permits_available", "quota_check", "quota_status")


def downgrade() -> None:
    # Functions keep their newest text; a downgrade takes them away with 0002.
    op.execute("drop view quota_status")
    op.execute("drop trigger quota_check on quota")
    op.execute("drop function quota_check()")
    for name in ("window_start(interval, text, timestamptz)", "window_free(timestamptz, interval, text, timestamptz)"):
        op.execute(f"drop function {name}")
    op.execute("drop function if exists day_start(text, timestamptz)")
    op.create_index('permit_in_flight', 'permit', ['upstream', sa.literal_column('stamp desc')], unique=False, postgresql_where=sa.text('not settled'))
    op.drop_constraint("a quota with a timezone counts its days: per must be 1 day", 'quota', type_="check")
    op.drop_column('quota', 'paced')
    op.drop_column('quota', 'timezone')
    op.create_table_comment('quota', 'Rolling limits of upstreams: at most so many calls in any window so long.', existing_comment='Limits of upstreams: at most so many calls in any window so long.')
    op.execute("create view quota_status as select upstream, per, calls as limit from quota")
    op.execute("comment on view quota_status is 'Each upstream''s limits'")
