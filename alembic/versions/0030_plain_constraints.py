"""The last constraints whose names were notes say what is wrong in a sentence."""

from pathlib import Path

from workers.migrate import run_sql

revision = "plain_constraints"
down_revision = "wide_windows"

HERE = Path(__file__).parent


def upgrade() -> None:
    run_sql((HERE / "0030_plain_constraints.sql").read_text("utf-8"))


def downgrade() -> None:
    run_sql((HERE / "0030_plain_constraints_down.sql").read_text("utf-8"))
