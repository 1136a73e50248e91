"""More mistakes have words: times out of any calendar, a forgotten WHERE, a leader deleted."""

from alembic import op

from workers.migrate import load_sql

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    load_sql("schedule_check_values", "schedule_check_timing", "schedule_check_every", "schedule_check", "schedule_edited")


def downgrade() -> None:
    op.execute("drop trigger schedule_kept on schedule")
    for name in ("schedule_kept", "schedule_check_values", "schedule_check_instants", "schedule_check_word"):
        op.execute(f"drop function {name}")
