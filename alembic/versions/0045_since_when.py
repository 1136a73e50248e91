"""What fails says since when; a schedule and those that follow it are deleted by one statement; long texts are refused."""

from pathlib import Path

from workers.migrate import run_sql

revision = "since_when"
down_revision = "renames"

HERE = Path(__file__).parent


def upgrade() -> None:
    run_sql((HERE / "0045_since_when.sql").read_text("utf-8"))


def downgrade() -> None:
    run_sql((HERE / "0045_since_when_down.sql").read_text("utf-8"))
