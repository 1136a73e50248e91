"""A queue without a worker is told also when its runs expire before they are seen waiting."""

from pathlib import Path

from workers.migrate import run_sql

revision = "expired_unserved"
down_revision = "many_late"

HERE = Path(__file__).parent


def upgrade() -> None:
    run_sql((HERE / "0028_expired_unserved.sql").read_text("utf-8"))


def downgrade() -> None:
    run_sql((HERE / "0028_expired_unserved_down.sql").read_text("utf-8"))
