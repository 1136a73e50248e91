"""An empty reason of a pause is none; an address of an upstream has no login and no blank."""

from pathlib import Path

from workers.migrate import run_sql

revision = "reasons_and_logins"
down_revision = "long_blocks"

HERE = Path(__file__).parent


def upgrade() -> None:
    run_sql((HERE / "0022_reasons_and_logins.sql").read_text("utf-8"))


def downgrade() -> None:
    run_sql((HERE / "0022_reasons_and_logins_down.sql").read_text("utf-8"))
