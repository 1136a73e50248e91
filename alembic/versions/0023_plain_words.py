"""Refusals, comments and constraints say plainly what is wrong and what to do."""

from pathlib import Path

from workers.migrate import run_sql

revision = "plain_words"
down_revision = "reasons_and_logins"

HERE = Path(__file__).parent


def upgrade() -> None:
    run_sql((HERE / "0023_plain_words.sql").read_text("utf-8"))


def downgrade() -> None:
    run_sql((HERE / "0023_plain_words_down.sql").read_text("utf-8"))
