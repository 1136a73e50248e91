"""Beat tells the view of trouble before which time nothing is due: a held snapshot costs it no more."""

from pathlib import Path

from workers.migrate import run_sql

revision = "none_due_before"
down_revision = "call_outcomes"

HERE = Path(__file__).parent


def upgrade() -> None:
    run_sql((HERE / "0039_none_due_before.sql").read_text("utf-8"))


def downgrade() -> None:
    run_sql((HERE / "0039_none_due_before_down.sql").read_text("utf-8"))
