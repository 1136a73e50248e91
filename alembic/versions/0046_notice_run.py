"""A notice names the run that took it, so that the run comes back for what its killed process had."""

from pathlib import Path

from workers.migrate import run_sql

revision = "notice_run"
down_revision = "since_when"

HERE = Path(__file__).parent


def upgrade() -> None:
    run_sql((HERE / "0046_notice_run.sql").read_text("utf-8"))


def downgrade() -> None:
    run_sql((HERE / "0046_notice_run_down.sql").read_text("utf-8"))
