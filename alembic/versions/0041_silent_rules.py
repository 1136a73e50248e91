"""Rules that would be silent for ever, and filters that stop every scrape, are refused when they are saved."""

from pathlib import Path

from workers.migrate import run_sql

revision = "silent_rules"
down_revision = "quick_lists"

HERE = Path(__file__).parent


def upgrade() -> None:
    run_sql((HERE / "0041_silent_rules.sql").read_text("utf-8"))


def downgrade() -> None:
    run_sql((HERE / "0041_silent_rules_down.sql").read_text("utf-8"))
