"""Each ready scan has one index that fits it, so that no plan reads another from end to end."""

from workers.migrate import run_sql

revision = "ready_scans"
down_revision = "words"

UP = """
-- Only runs and batches that have not ended are in these indexes: built at once, as few as they are.
-- squawk-ignore require-concurrent-index-deletion
drop index batch_waiting_run;
-- squawk-ignore require-concurrent-index-creation
create index batch_waiting_run on batch (waiting_for, run_id) where state in ('waiting', 'sent') and waiting_for is not null;
-- squawk-ignore require-concurrent-index-deletion
drop index run_deadline;
-- squawk-ignore require-concurrent-index-creation
create index run_deadline on run (deadline_at) where finished_at is null and deadline_at is not null;
-- squawk-ignore require-concurrent-index-deletion
drop index run_stopping;
-- squawk-ignore require-concurrent-index-creation
create index run_stopping on run (stop_requested_at) where finished_at is null and stop_requested_at is not null;
"""

DOWN = """
drop index run_stopping;
create index run_stopping on run (stop_requested_at) where state in ('due', 'running', 'held') and stop_requested_at is not null;
drop index run_deadline;
create index run_deadline on run (deadline_at) where state in ('due', 'running') and deadline_at is not null;
drop index batch_waiting_run;
create index batch_waiting_run on batch (waiting_for, run_id) where state in ('waiting', 'sent');
"""


def upgrade() -> None:
    run_sql(UP)


def downgrade() -> None:
    run_sql(DOWN)
