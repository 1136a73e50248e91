"""Refusals of NULL, long names and cron say what is wrong; a backfill ends now; lengths are said in words."""

from pathlib import Path

from workers.migrate import run_sql

revision = "plain_refusals"
down_revision = "worker_slots"

HERE = Path(__file__).parent


def upgrade() -> None:
    run_sql((HERE / "0033_plain_refusals.sql").read_text("utf-8"))


def downgrade() -> None:
    run_sql((HERE / "0033_plain_refusals_down.sql").read_text("utf-8"))
