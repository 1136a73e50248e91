"""Windows are counted from totals, a hundred calls apart: a permit and quota_status read few rows."""

from pathlib import Path

from workers.migrate import run_sql

revision = "permit_totals"
down_revision = "plain_constraints"

HERE = Path(__file__).parent


def upgrade() -> None:
    run_sql((HERE / "0031_permit_totals.sql").read_text("utf-8"))


def downgrade() -> None:
    run_sql((HERE / "0031_permit_totals_down.sql").read_text("utf-8"))
