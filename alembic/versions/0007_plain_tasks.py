"""Plain Celery tasks: kinds with a schema from their signature, batches with a message of their own."""

from pathlib import Path

from workers.migrate import run_sql

revision = "plain_tasks"
down_revision = "subjects"

HERE = Path(__file__)


def upgrade() -> None:
    run_sql(HERE.with_suffix(".sql").read_text("utf-8"))


def downgrade() -> None:
    run_sql(HERE.with_name(HERE.stem + "_down.sql").read_text("utf-8"))
