"""Permits are asked for in bundles: one statement answers all threads of a process that wait."""

from pathlib import Path

from workers.migrate import run_sql

revision = "take_permits"
down_revision = "code_entries"

HERE = Path(__file__).parent


def upgrade() -> None:
    run_sql((HERE / "0009_take_permits.sql").read_text("utf-8"))


def downgrade() -> None:
    run_sql((HERE / "0009_take_permits_down.sql").read_text("utf-8"))
