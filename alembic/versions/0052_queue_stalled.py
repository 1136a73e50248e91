"""A queue that is served and from which nobody takes what is ready is told."""

from pathlib import Path

from workers.migrate import run_sql

revision = "queue_stalled"
down_revision = "silent_beat"

HERE = Path(__file__).parent


def upgrade() -> None:
    run_sql((HERE / "0052_queue_stalled.sql").read_text("utf-8"))


def downgrade() -> None:
    run_sql((HERE / "0052_queue_stalled_down.sql").read_text("utf-8"))
