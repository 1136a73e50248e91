"""Empty texts are refused in plain words; next_runs shows nothing that a pause holds back."""

from pathlib import Path

from workers.migrate import run_sql

revision = "empty_texts"
down_revision = "silent_rules"

HERE = Path(__file__).parent


def upgrade() -> None:
    run_sql((HERE / "0042_empty_texts.sql").read_text("utf-8"))


def downgrade() -> None:
    run_sql((HERE / "0042_empty_texts_down.sql").read_text("utf-8"))
