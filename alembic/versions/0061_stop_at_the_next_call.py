"""A run that is asked to stop gets no more permits."""

from workers.migrate import load_sql

revision = "0061"
down_revision = "0060"


def upgrade() -> None:
    load_sql("take_permit")


def downgrade() -> None:
    """Its newest text also serves what was before."""
