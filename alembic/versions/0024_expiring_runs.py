"""Beat ends what nobody begins in time, so it finds such runs by an index of their own."""

from workers.migrate import run_sql

revision = "expiring_runs"
down_revision = "plain_words"

UP = """
-- Only runs that have not begun are in it: built at once, as few as they are.
-- squawk-ignore require-concurrent-index-creation
create index run_expiring on run (expires_at) where started_at is null and finished_at is null and expires_at is not null;
"""

DOWN = """
drop index run_expiring;
"""


def upgrade() -> None:
    run_sql(UP)


def downgrade() -> None:
    run_sql(DOWN)
