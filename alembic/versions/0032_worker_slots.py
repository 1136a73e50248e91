"""View scaling_status tells the slots of each worker."""

from pathlib import Path

from workers.migrate import run_sql

revision = "worker_slots"
down_revision = "permit_totals"

HERE = Path(__file__).parent


def upgrade() -> None:
    run_sql((HERE / "0032_worker_slots.sql").read_text("utf-8"))


def downgrade() -> None:
    run_sql((HERE / "0032_worker_slots_down.sql").read_text("utf-8"))
