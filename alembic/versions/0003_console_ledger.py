"""What the console reads: one audit of all that people own, how each schedule went, counters, samples a minute."""

from pathlib import Path

from workers.migrate import run_sql

revision = "console_ledger"
down_revision = "console_people"

HERE = Path(__file__).parent


def upgrade() -> None:
    run_sql((HERE / "0003_console_ledger.sql").read_text("utf-8"))


def downgrade() -> None:
    run_sql((HERE / "0003_console_ledger_down.sql").read_text("utf-8"))
