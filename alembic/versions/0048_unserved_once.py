"""View trouble asks once for all queues whose runs expired: with thousands it took beat a second."""

from pathlib import Path

from workers.migrate import run_sql

revision = "unserved_once"
down_revision = "short_terms"

HERE = Path(__file__).parent


def upgrade() -> None:
    run_sql((HERE / "0048_unserved_once.sql").read_text("utf-8"))


def downgrade() -> None:
    run_sql((HERE / "0048_unserved_once_down.sql").read_text("utf-8"))
