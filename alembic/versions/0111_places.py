"""A silent worker's place is taken by whoever began later and serves its queues, whatever its name."""

from workers.migrate import load_sql

revision = "0111"
down_revision = "0100"


def upgrade() -> None:
    load_sql("trouble")


def downgrade() -> None:
    """Its view goes with the initial revision."""
