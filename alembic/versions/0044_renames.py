"""Rules and channels are renamed with what names them; what waits of a disabled rule is dropped; no currency is invented."""

from pathlib import Path

from workers.migrate import run_sql

revision = "renames"
down_revision = "empty_options"

HERE = Path(__file__).parent


def upgrade() -> None:
    run_sql((HERE / "0044_renames.sql").read_text("utf-8"))


def downgrade() -> None:
    run_sql((HERE / "0044_renames_down.sql").read_text("utf-8"))
