"""Wrong limits, upstreams and bounds are refused with a hint; what runs shows a bar, and when it may go on."""

from alembic import op

from workers.migrate import load_sql

revision = "0072"
down_revision = "0071"


def upgrade() -> None:
    load_sql("quota_check", "upstream_check", "worker_group_check")
    op.execute("drop view running_now")
    load_sql("views")


def downgrade() -> None:
    for table in ("upstream", "worker_group"):
        op.execute(f"drop trigger {table}_check on {table}")
        op.execute(f"drop function {table}_check()")
