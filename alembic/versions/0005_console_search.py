"""Search of schedules by any part of name, title or note."""

from workers.migrate import run_sql

revision = "console_search"
down_revision = "permit_partitions"

UP = """
-- Writers of schedule, who are people, wait while it is built: a second for 100,000 rows.
-- squawk-ignore require-concurrent-index-creation
create index schedule_search on schedule using gin
    (lower(name || ' ' || coalesce(title, '') || ' ' || coalesce(note, '')) gin_trgm_ops);
"""


def upgrade() -> None:
    run_sql(UP)


def downgrade() -> None:
    run_sql("drop index schedule_search")
