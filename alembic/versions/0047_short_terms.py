"""An index answers searches of one or two letters; each read all schedules."""

from pathlib import Path

from workers.migrate import run_sql

revision = "short_terms"
down_revision = "notice_run"

HERE = Path(__file__).parent


def upgrade() -> None:
    run_sql((HERE / "0047_short_terms.sql").read_text("utf-8"))


def downgrade() -> None:
    run_sql((HERE / "0047_short_terms_down.sql").read_text("utf-8"))
