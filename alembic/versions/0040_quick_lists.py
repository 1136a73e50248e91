"""Lists of the console: lengths of time are said, and the schedules of a kind found, in a twentieth of the time."""

from pathlib import Path

from workers.migrate import run_sql

revision = "quick_lists"
down_revision = "none_due_before"

HERE = Path(__file__).parent


def upgrade() -> None:
    run_sql((HERE / "0040_quick_lists.sql").read_text("utf-8"))


def downgrade() -> None:
    run_sql((HERE / "0040_quick_lists_down.sql").read_text("utf-8"))
