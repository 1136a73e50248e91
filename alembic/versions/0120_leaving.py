"""A worker that ends says so on its batches: what then happens to their leases is no death."""

from alembic import op

revision = "0120"
down_revision = "0140"


def upgrade() -> None:
    op.execute("alter table batch add column leaving boolean not null default false")
    op.execute(
        "comment on column batch.leaving is"
        " 'Its worker has said that it ends: if the lease ends now, that is no death'"
    )
    op.execute(
        "comment on column batch.deaths is 'Leases that ended while all but its worker was up'"
    )


def downgrade() -> None:
    op.execute("comment on column batch.deaths is 'Leases that ended with nobody answering'")
    op.execute("alter table batch drop column leaving")
