"""Requests are checked when they are made; a backfill says first what it would take."""

from alembic import op

from workers.migrate import load_sql

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.execute("drop function backfill(text, timestamptz, timestamptz, text)")
    load_sql("backfill")


def downgrade() -> None:
    op.execute("drop trigger run_request_check on run_request")
    for name in ("run_request_check", "backfill", "backfill_check", "backfill_dues"):
        op.execute(f"drop function {name}")
    load_sql("functions")
