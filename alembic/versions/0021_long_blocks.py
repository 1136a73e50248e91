"""View trouble names an upstream that is blocked for long also when it has failed only once."""

from pathlib import Path

from workers.migrate import run_sql

revision = "long_blocks"
down_revision = "upstream_commands"

HERE = Path(__file__).parent


def upgrade() -> None:
    run_sql((HERE / "0021_long_blocks.sql").read_text("utf-8"))


def downgrade() -> None:
    run_sql((HERE / "0021_long_blocks_down.sql").read_text("utf-8"))
