"""A test message to a channel, asked for in SQL."""

from alembic import op

from workers.migrate import load_sql

revision = "0063"
down_revision = "0062"


def upgrade() -> None:
    load_sql("send_test")


def downgrade() -> None:
    op.execute("drop function send_test(text)")
