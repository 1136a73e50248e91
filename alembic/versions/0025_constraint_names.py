"""Constraints and indexes whose names had old words say what is wrong in plain ones."""

from pathlib import Path

from workers.migrate import run_sql

revision = "constraint_names"
down_revision = "expiring_runs"

HERE = Path(__file__).parent


def upgrade() -> None:
    run_sql((HERE / "0025_constraint_names.sql").read_text("utf-8"))


def downgrade() -> None:
    run_sql((HERE / "0025_constraint_names_down.sql").read_text("utf-8"))
