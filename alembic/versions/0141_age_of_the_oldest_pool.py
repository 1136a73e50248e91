"""A token's age and its early buyers come from its oldest pool."""

from alembic import op

revision = "0141"
down_revision = "0120"

COMMENTS = {
    "token.pool_created_at": "When its oldest known pool was made: its age",
    "token_profile.early_window_minutes": "Early: so long after the oldest pool was made",
}


def upgrade() -> None:
    for column, words in COMMENTS.items():
        op.execute(f"comment on column {column} is '{words}'")


def downgrade() -> None:
    op.execute("comment on column token.pool_created_at is 'Age of its main pool is counted from here'")
    op.execute(
        "comment on column token_profile.early_window_minutes is 'Early: so long after the pool was made'"
    )
