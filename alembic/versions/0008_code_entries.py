"""Entries of beat_schedule in code, queues that they name, and cron texts with day AND weekday."""

from pathlib import Path

from workers.migrate import run_sql

revision = "code_entries"
down_revision = "plain_tasks"

HERE = Path(__file__)


def upgrade() -> None:
    run_sql(HERE.with_suffix(".sql").read_text("utf-8"))


def downgrade() -> None:
    run_sql(HERE.with_name(HERE.stem + "_down.sql").read_text("utf-8"))
