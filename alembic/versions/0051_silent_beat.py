"""What is said of a silent beat names Redis too; the columns that the audit leaves out stand in one place."""

from pathlib import Path

from workers.migrate import run_sql

revision = "silent_beat"
down_revision = "kinds_without_schedules"

HERE = Path(__file__).parent


def upgrade() -> None:
    run_sql((HERE / "0051_silent_beat.sql").read_text("utf-8"))


def downgrade() -> None:
    run_sql((HERE / "0051_silent_beat_down.sql").read_text("utf-8"))
