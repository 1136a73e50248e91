"""The queue's view tells what is ready from what is for later."""

from alembic import op

from workers.migrate import load_sql

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    load_sql("views")


def downgrade() -> None:
    """The view keeps its column more; nothing older minds."""
    op.execute("select")
