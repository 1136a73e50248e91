"""View trouble, and with it the notices of incidents, name the rules that cannot be read."""

from pathlib import Path

from workers.migrate import run_sql

revision = "rule_trouble"
down_revision = "slots"

HERE = Path(__file__).parent


def upgrade() -> None:
    run_sql((HERE / "0015_rule_trouble.sql").read_text("utf-8"))


def downgrade() -> None:
    run_sql((HERE / "0015_rule_trouble_down.sql").read_text("utf-8"))
