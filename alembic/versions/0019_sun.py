"""A cron text may name an event of the sun at a place: @sunset 52.52 13.4."""

from pathlib import Path

from workers.migrate import run_sql

revision = "sun"
down_revision = "ready_scans"

HERE = Path(__file__).parent


def upgrade() -> None:
    run_sql((HERE / "0019_sun.sql").read_text("utf-8"))


def downgrade() -> None:
    run_sql((HERE / "0019_sun_down.sql").read_text("utf-8"))
