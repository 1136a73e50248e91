"""Counts and rates are said in one way everywhere: 1 rule, 2 rules, 30 calls a minute."""

from pathlib import Path

from workers.migrate import run_sql

revision = "words"
down_revision = "rule_trouble"

HERE = Path(__file__).parent


def upgrade() -> None:
    run_sql((HERE / "0016_words.sql").read_text())


def downgrade() -> None:
    run_sql((HERE / "0016_words_down.sql").read_text())
