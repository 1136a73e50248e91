"""A channel names only secrets that are meant for channels; no control characters in its fields."""

from alembic import op

from workers.migrate import load_sql

revision = "0090"
down_revision = "initial"

FORM = "env:WATCHKEEPER_CHANNEL_NAME{} file:/run/secrets/channel-name"
COMMENTS = (
    ("table channel", f"Where notices go.  Secrets are named, not written: {FORM.format(',')}."),
    ("column channel.target", f"Address, or where it is: {FORM.format(' or')}; e-mail: recipients with commas"),
)


def upgrade() -> None:
    # The trigger says the same with a hint, and leaves what was saved before alone.
    op.execute('alter table channel drop constraint "target: a secret address is env:NAME or file:PATH"')
    op.execute('alter table channel drop constraint "target holds a password: write env:NAME or file:PATH"')
    for what, words in COMMENTS:
        op.execute(f"comment on {what} is '{words}'")
    load_sql("channel_check")


def downgrade() -> None:
    op.execute("drop function channel_check() cascade")
    op.execute("""alter table channel
        add constraint "target: a secret address is env:NAME or file:PATH"
            check (target ~ '^(env|file):' or kind in ('email', 'webhook')) not valid,
        add constraint "target holds a password: write env:NAME or file:PATH"
            check (target !~ '//[^/@]*:[^/@]*@') not valid""")
