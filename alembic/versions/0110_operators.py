"""What an operator is told: troubles, alerts of a schedule, reasons of pauses, gathered notices."""

from alembic import op

from workers.migrate import load_sql

revision = "0110"
down_revision = "0121"

COLUMNS = (
    ("pause_reason", "text", "Why it is paused; goes with the pause"),
    ("alert_after", "integer not null default 1", "People are told after so many failed runs in a row"),
    ("alert_on_partial", "numeric default 0.5",
     "A partial run of which so many items failed, as a share, counts as failed; null: none does"),
)  # fmt: skip


def upgrade() -> None:
    for name, type_, comment in COLUMNS:
        op.execute(f"alter table schedule add column {name} {type_}")
        op.execute(f"comment on column schedule.{name} is '{comment}'")
    op.execute(
        'alter table schedule add constraint "alert_after must be 1 or more" check (alert_after >= 1),'
        ' add constraint "alert_on_partial: a share, more than 0 and at most 1"'
        " check (alert_on_partial > 0 and alert_on_partial <= 1)"
    )
    op.execute(
        "create index schedule_state_failing on schedule_state (schedule) where consecutive_failures > 0"
    )
    op.execute(
        "create index schedule_state_tripped on schedule_state (schedule) where tripped_at is not null"
    )
    op.execute(
        "comment on column schedule_state.consecutive_failures is"
        " 'Failed runs since the last good one; alert_on_partial says which partial runs count'"
    )
    op.execute("comment on column incident.kind is 'As in view trouble'")
    op.execute("comment on column incident.subject is 'Schedule, process, queue, channel or upstream'")
    for view in ("trouble", "schedule_status", "discovery_stats"):
        op.execute(f"drop view {view}")
    load_sql(
        "functions", "pause_switched", "schedule_check", "schedule_check_values", "schedule_stamp",
        "run_is_failure", "channel_room", "schedule_status", "discovery_stats", "trouble",
        "follow_incidents",
    )  # fmt: skip
    # Beat follows incidents itself now.
    op.execute("delete from schedule where task = 'tasks.watches.incidents'")
    op.execute(
        "update task_kind set retired_at = clock_timestamp()"
        " where name = 'tasks.watches.incidents' and retired_at is null"
    )


def downgrade() -> None:
    """What it brought goes with the initial revision."""
