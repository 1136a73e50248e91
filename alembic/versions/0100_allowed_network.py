"""The owner's list of networks that calls may reach although they are not public."""

from alembic import op

from workers.migrate import load_sql

revision = "0100"
down_revision = "0110"


def upgrade() -> None:
    op.execute("""
        create table allowed_network (
            network cidr primary key,
            note text,
            created_at timestamptz not null default clock_timestamp(),
            created_by text not null default actor()
        )
    """)
    op.execute("comment on table allowed_network is 'Private networks that calls may reach (a mail relay, a server of your own);"
               " public addresses need no row.  Only an owner edits it.'")
    op.execute("comment on column allowed_network.network is 'One network or address, e.g. 10.1.2.0/24, ::1/128'")
    op.execute("comment on column allowed_network.note is 'What is there and why it is called'")
    op.execute("comment on column allowed_network.created_at is 'Added'")
    op.execute("comment on column allowed_network.created_by is 'Added by'")
    load_sql("address_refusal", "upstream_check")


def downgrade() -> None:
    """upstream_check goes with all else at the revision before."""
    op.execute("drop function address_refusal(inet)")
    op.execute("drop function url_address(text)")
    op.execute("drop table allowed_network")
