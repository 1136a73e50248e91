"""The console counts what became of the calls of a day from totals, a hundred calls apart."""

from pathlib import Path

from workers.migrate import run_sql

revision = "call_outcomes"
down_revision = "cron_never"

HERE = Path(__file__).parent


def upgrade() -> None:
    run_sql((HERE / "0038_call_outcomes.sql").read_text("utf-8"))


def downgrade() -> None:
    run_sql((HERE / "0038_call_outcomes_down.sql").read_text("utf-8"))
