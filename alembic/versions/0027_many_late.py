"""Many schedules that are late at once are one incident: one cause, one notice, and one row to write."""

from pathlib import Path

from workers.migrate import run_sql

revision = "many_late"
down_revision = "view_costs"

HERE = Path(__file__).parent


def upgrade() -> None:
    run_sql((HERE / "0027_many_late.sql").read_text("utf-8"))


def downgrade() -> None:
    run_sql((HERE / "0027_many_late_down.sql").read_text("utf-8"))
