"""Rows that beat and workers lock to take turns: advisory locks are everybody's."""

from alembic import op

revision = "0080"
down_revision = "0141"


def upgrade() -> None:
    op.execute("create table machine_lock (name text not null, constraint machine_lock_pkey primary key (name))")
    op.execute("comment on table machine_lock is 'Rows that beat and workers lock to take turns; made when first needed.'")
    op.execute("comment on column machine_lock.name is 'What is done in turns'")


def downgrade() -> None:
    op.execute("drop table machine_lock")
