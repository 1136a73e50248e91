"""Whoever saves a timing that no trading day of its calendar has, is told so."""

from pathlib import Path

from workers.migrate import run_sql

revision = "cron_never"
down_revision = "wide_numbers"

HERE = Path(__file__).parent


def upgrade() -> None:
    run_sql((HERE / "0037_cron_never.sql").read_text("utf-8"))


def downgrade() -> None:
    run_sql((HERE / "0037_cron_never_down.sql").read_text("utf-8"))
