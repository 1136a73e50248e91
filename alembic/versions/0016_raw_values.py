"""Views have raw values beside words; the switch that pauses everything is in the audit; nobody asks in
another's name."""

from workers.migrate import load_sql

revision = "0016"
down_revision = "0051"


def upgrade() -> None:
    load_sql("schedule_status", "views", "pause_switched", "backfill")


def downgrade() -> None:
    """Columns more hurt nobody; what is older reads them by name."""
