"""Options that are lists of texts: an empty text is refused in words."""

from pathlib import Path

from workers.migrate import run_sql

revision = "empty_options"
down_revision = "empty_texts"

HERE = Path(__file__).parent


def upgrade() -> None:
    run_sql((HERE / "0043_empty_options.sql").read_text("utf-8"))


def downgrade() -> None:
    run_sql((HERE / "0043_empty_options_down.sql").read_text("utf-8"))
