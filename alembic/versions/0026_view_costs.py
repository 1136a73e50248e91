"""The newest runs and the queues are read by indexes, however many runs there are."""

from pathlib import Path

from workers.migrate import run_sql

revision = "view_costs"
down_revision = "constraint_names"

HERE = Path(__file__).parent


def upgrade() -> None:
    run_sql((HERE / "0026_view_costs.sql").read_text("utf-8"))


def downgrade() -> None:
    run_sql((HERE / "0026_view_costs_down.sql").read_text("utf-8"))
