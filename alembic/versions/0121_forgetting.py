"""Tokens, pools and ads are forgotten: indexes by when they were seen last, and by what matches are of."""

from alembic import op

revision = "0121"
down_revision = "0080"

INDEXES = {
    "token_by_last_seen": "token (last_seen_at)",
    "token_pool_by_check": "token_pool (checked_at)",
    "listing_by_last_seen": "listing (last_seen_at)",
    "match_by_subject": "match (subject, subject_id)",
}


def upgrade() -> None:
    for name, columns in INDEXES.items():
        op.execute(f"create index {name} on {columns}")


def downgrade() -> None:
    for name in INDEXES:
        op.execute(f"drop index {name}")
