"""Beat is woken by what others wait for: the end of a run, new trading days; quotas by the day."""

from alembic import op

from workers.migrate import load_sql

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    load_sql("run_ended", "sessions_changed", "backfill")


def downgrade() -> None:
    op.execute("drop function run_ended cascade")
    op.execute("drop function sessions_changed cascade")
