"""Processes that ended on purpose are not silent ones."""

from workers.migrate import load_sql

revision = "0071"
down_revision = "0070"


def upgrade() -> None:
    load_sql("views")
    load_sql("scaling_status")


def downgrade() -> None:
    """The views of before would do with the same rows."""
