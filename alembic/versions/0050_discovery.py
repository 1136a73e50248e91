"""Discovery: tokens are chosen by rank over the whole run; links, paid orders; what schedules brought."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from workers.migrate import load_sql

revision = "0050"
down_revision = "0041"


def upgrade() -> None:
    op.add_column('token', sa.Column('links', postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True, comment='Pages that its makers name: [{type, label, url}]'))
    op.add_column('token', sa.Column('orders', sa.Integer(), nullable=True, comment='Orders paid for it at DexScreener'))
    op.add_column('token', sa.Column('boosts', sa.Integer(), nullable=True, comment='Boosts paid for it at DexScreener'))
    op.add_column('token', sa.Column('paid_at', sa.DateTime(timezone=True), nullable=True, comment='When something was first paid for it'))
    op.add_column('token_sighting', sa.Column('passed', sa.Boolean(), nullable=True, comment='Passed every filter'))
    op.execute("update token_sighting set passed = chosen or rejected_because like 'more than max_tokens%'")
    op.alter_column('token_sighting', 'passed', nullable=False)
    op.alter_column('token_sighting', 'chosen', comment='Passed, and among the max_tokens of most volume')
    op.add_column('token_sighting', sa.Column('volume_h24', sa.Numeric(), nullable=True, comment='Volume of 24 hours (USD) that it was ranked by'))
    load_sql("discovery_stats")


def downgrade() -> None:
    op.execute("drop view discovery_stats")
    op.drop_column('token_sighting', 'volume_h24')
    op.drop_column('token_sighting', 'passed')
    op.alter_column('token_sighting', 'chosen', comment='Passed every filter')
    for name in ('paid_at', 'boosts', 'orders', 'links'):
        op.drop_column('token', name)
