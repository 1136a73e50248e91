"""View trouble finds by an index that a kind has no schedule: for each it read all of them."""

from pathlib import Path

from workers.migrate import run_sql

revision = "kinds_without_schedules"
down_revision = "cheaper_checks"

HERE = Path(__file__).parent


def upgrade() -> None:
    run_sql((HERE / "0050_kinds_without_schedules.sql").read_text("utf-8"))


def downgrade() -> None:
    run_sql((HERE / "0050_kinds_without_schedules_down.sql").read_text("utf-8"))
