"""A full window of many calls stays full, whatever other windows have left."""

from pathlib import Path

from workers.migrate import run_sql

revision = "wide_windows"
down_revision = "expired_unserved"

HERE = Path(__file__).parent


def upgrade() -> None:
    run_sql((HERE / "0029_wide_windows.sql").read_text("utf-8"))


def downgrade() -> None:
    run_sql((HERE / "0029_wide_windows_down.sql").read_text("utf-8"))
