"""The due times to come, in SQL."""

from alembic import op

from workers.migrate import load_sql

revision = "0011"
down_revision = "0010"

FUNCTIONS = (
    "next_runs", "due_times", "plain_dues", "cron_dues", "cron_day", "zone_stretches", "zone_offset", "cron_set",
)


def upgrade() -> None:
    load_sql("cron_dues", "due_times")


def downgrade() -> None:
    for name in FUNCTIONS:
        op.execute(f"drop function {name}")
