"""A message that a server refuses is sent again in smaller ones."""

from alembic import op

revision = "0140"
down_revision = "0090"


def upgrade() -> None:
    op.execute("alter table notice add column together smallint")
    op.execute(
        "comment on column notice.together is"
        " 'Most notices of its message; halved when a server refuses one; null: no limit'"
    )


def downgrade() -> None:
    op.execute("alter table notice drop column together")
