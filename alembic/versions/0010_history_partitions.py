"""Outcomes and sightings are partitioned by time; tables that are updated much keep room on their pages."""

from pathlib import Path

from workers.migrate import run_sql

revision = "history_partitions"
down_revision = "take_permits"

HERE = Path(__file__).parent


def upgrade() -> None:
    run_sql((HERE / "0010_history_partitions.sql").read_text("utf-8"))


def downgrade() -> None:
    run_sql((HERE / "0010_history_partitions_down.sql").read_text("utf-8"))
