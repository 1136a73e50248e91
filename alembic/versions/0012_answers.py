"""Functions answer in sentences, runs are named by short ids, views fit 120 columns, hints name what the reader uses."""

from pathlib import Path

from workers.migrate import run_sql

revision = "answers"
down_revision = "console_idempotency"

HERE = Path(__file__).parent


def upgrade() -> None:
    run_sql((HERE / "0012_answers.sql").read_text("utf-8"))


def downgrade() -> None:
    run_sql((HERE / "0012_answers_down.sql").read_text("utf-8"))
