"""Whoever sets a time at which a schedule will not run, is told so."""

from pathlib import Path

from workers.migrate import run_sql

revision = "at_never"
down_revision = "incidents_once"

HERE = Path(__file__).parent


def upgrade() -> None:
    run_sql((HERE / "0035_at_never.sql").read_text("utf-8"))


def downgrade() -> None:
    run_sql((HERE / "0035_at_never_down.sql").read_text("utf-8"))
