"""Beat reads view trouble once, not twice, when it looks at what is broken."""

from pathlib import Path

from workers.migrate import run_sql

revision = "incidents_once"
down_revision = "plain_refusals"

HERE = Path(__file__).parent


def upgrade() -> None:
    run_sql((HERE / "0034_incidents_once.sql").read_text("utf-8"))


def downgrade() -> None:
    run_sql((HERE / "0034_incidents_once_down.sql").read_text("utf-8"))
