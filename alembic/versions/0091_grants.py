"""Viewers have SELECT and nothing more: functions tell them why, and logins have limits of their own."""

from alembic import op

from workers.migrate import load_sql

revision = "0091"
down_revision = "0142"


def upgrade() -> None:
    load_sql("require_operator", "guard", "functions", "backfill", "send_test", "open_door", "logins")


def downgrade() -> None:
    for name in ("make_login(text, text)", "limit_login(text)", "require_operator(regclass, text)"):
        op.execute(f"drop function {name}")
    op.execute("drop view login_without_limits")
