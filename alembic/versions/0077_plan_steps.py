"""A plan that must wait keeps what it paid for; a person may open a closed door."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from workers.migrate import load_sql

revision = "0077"
down_revision = "0076"


def upgrade() -> None:
    op.create_table('plan_step',
    sa.Column('run_id', sa.Uuid(), nullable=False, comment='Its run'),
    sa.Column('name', sa.Text(), nullable=False, comment='The step, as its kind calls it'),
    sa.Column('value', postgresql.JSONB(astext_type=sa.Text()), nullable=False, comment='What was learned'),
    sa.ForeignKeyConstraint(['run_id'], ['run.id'], name=op.f('plan_step_run_id_fkey'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('run_id', 'name', name=op.f('plan_step_pkey')),
    comment='What plans learned from upstreams; a plan that had to wait asks for the rest.'
    )
    op.add_column('upstream', sa.Column('opened_at', sa.DateTime(timezone=True), nullable=True, comment='When a person opened its closed door last: open_door()'))
    load_sql("upstream_opened", "open_door")


def downgrade() -> None:
    op.execute("drop function open_door(text, text)")
    op.execute("drop trigger upstream_opened on upstream")
    op.execute("drop function upstream_opened()")
    op.drop_column('upstream', 'opened_at')
    op.drop_table('plan_step')
