"""retry_run takes only what did not succeed; hints name the commands for upstreams."""

from pathlib import Path

from workers.migrate import run_sql

revision = "upstream_commands"
down_revision = "sun"

HERE = Path(__file__).parent


def upgrade() -> None:
    run_sql((HERE / "0020_upstream_commands.sql").read_text("utf-8"))


def downgrade() -> None:
    run_sql((HERE / "0020_upstream_commands_down.sql").read_text("utf-8"))
