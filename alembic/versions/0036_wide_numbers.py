"""A number too great for a column is refused with what is allowed, as others are."""

from pathlib import Path

from workers.migrate import run_sql

revision = "wide_numbers"
down_revision = "at_never"

HERE = Path(__file__).parent


def upgrade() -> None:
    run_sql((HERE / "0036_wide_numbers.sql").read_text("utf-8"))


def downgrade() -> None:
    run_sql((HERE / "0036_wide_numbers_down.sql").read_text("utf-8"))
