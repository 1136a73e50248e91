"""Permits are partitioned by time: old ones are dropped whole, and a limiter reads only what may count."""

from pathlib import Path

from workers.migrate import run_sql

revision = "permit_partitions"
down_revision = "console_ledger"

HERE = Path(__file__).parent


def upgrade() -> None:
    run_sql((HERE / "0004_permit_partitions.sql").read_text("utf-8"))


def downgrade() -> None:
    run_sql((HERE / "0004_permit_partitions_down.sql").read_text("utf-8"))
