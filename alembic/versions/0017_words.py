"""Counts and rates are said in one way everywhere: 1 rule, 2 rules, 30 calls a minute."""

from pathlib import Path

from workers.migrate import run_sql

revision = "words"
down_revision = "console_scale"

HERE = Path(__file__).parent


def upgrade() -> None:
    run_sql((HERE / "0017_words.sql").read_text("utf-8"))


def downgrade() -> None:
    run_sql((HERE / "0017_words_down.sql").read_text("utf-8"))
