"""Profiling follows every discovery, however that ends; "just now", "soon" and a line for a status bar."""

from alembic import op

from workers.migrate import load_sql

revision = "0073"
down_revision = "0072"


def upgrade() -> None:
    load_sql("words", "views", "trouble", "status_bar", "profile_asked")
    op.execute("comment on column token_profile.asked_at is 'When it was asked for, or last tried in vain'")
    # A run asked for while another goes on waits for it: with "skip" its tokens would wait for the next discovery.
    op.execute("alter table schedule disable trigger schedule_check")
    op.execute("update schedule set overlap = 'buffer_one' where task = 'tasks.discovery.profile' and overlap = 'skip'")
    op.execute("alter table schedule enable trigger schedule_check")


def downgrade() -> None:
    op.execute("comment on column token_profile.asked_at is 'When it was asked for'")
    op.execute("drop view status_bar")
    op.execute("drop trigger profile_asked on run")
    op.execute("drop function profile_asked()")
