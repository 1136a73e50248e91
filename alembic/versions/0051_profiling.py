"""Profiling: wallets that were early in chosen tokens, and a schedule that looks for them."""

import sqlalchemy as sa
from alembic import op

from workers.migrate import load_sql

revision = "0051"
down_revision = "0050"


def upgrade() -> None:
    op.create_table('wallet',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False, comment='Key'),
    sa.Column('chain', sa.Text(), nullable=False, comment='Chain, as DexScreener names it'),
    sa.Column('address', sa.Text(), nullable=False, comment='Sender of the trades; a router or bot may hide people'),
    sa.Column('score', sa.Numeric(), server_default=sa.text('0'), nullable=False, comment='0 to 100: one token doubled is 50, two are 75'),
    sa.Column('early_tokens', sa.Integer(), server_default=sa.text('0'), nullable=False, comment='Tokens it was early in, with a gain'),
    sa.Column('first_seen_at', sa.DateTime(timezone=True), server_default=sa.text('clock_timestamp()'), nullable=False, comment='First seen'),
    sa.Column('last_seen_at', sa.DateTime(timezone=True), server_default=sa.text('clock_timestamp()'), nullable=False, comment='Last seen'),
    sa.PrimaryKeyConstraint('id', name=op.f('wallet_pkey')),
    sa.UniqueConstraint('chain', 'address', name=op.f('wallet_chain_address_key')),
    comment='Wallets that bought tokens early which gained, with a score.'
    )
    op.create_index('wallet_by_score', 'wallet', [sa.literal_column('score desc')], unique=False)
    op.create_table('token_profile',
    sa.Column('run_id', sa.Uuid(), nullable=False, comment='Discovery run that asked'),
    sa.Column('token_id', sa.BigInteger(), nullable=False, comment='Token'),
    sa.Column('early_window_minutes', sa.Integer(), nullable=False, comment='Early: so long after the pool was made'),
    sa.Column('min_profit_pct', sa.Numeric(), nullable=False, comment='Least gain (percent)'),
    sa.Column('asked_at', sa.DateTime(timezone=True), server_default=sa.text('clock_timestamp()'), nullable=False, comment='When it was asked for'),
    sa.Column('profiled_at', sa.DateTime(timezone=True), nullable=True, comment='When it was done; null: still to do'),
    sa.Column('profile_run_id', sa.Uuid(), nullable=True, comment='Profiling run that did it'),
    sa.Column('trades', sa.Integer(), nullable=True, comment='Trades looked at'),
    sa.Column('profiled_wallets', sa.Integer(), nullable=True, comment='Wallets early and with the gain asked for'),
    sa.Column('new_wallets', sa.Integer(), nullable=True, comment='Of these, seen for the first time'),
    sa.Column('updated_wallets', sa.Integer(), nullable=True, comment='Of these, known before'),
    sa.Column('note', sa.Text(), nullable=True, comment='What of the early trades is out of reach'),
    sa.ForeignKeyConstraint(['token_id'], ['token.id'], name=op.f('token_profile_token_id_fkey'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('run_id', 'token_id', name=op.f('token_profile_pkey')),
    comment='Tokens whose early buyers a discovery run asked for, and what was found.'
    )
    op.create_index('token_profile_by_token', 'token_profile', ['token_id'], unique=False)
    op.create_index('token_profile_open', 'token_profile', ['asked_at'], unique=False, postgresql_where=sa.text('profiled_at is null'))
    op.create_table('wallet_token',
    sa.Column('wallet_id', sa.BigInteger(), nullable=False, comment='Wallet'),
    sa.Column('token_id', sa.BigInteger(), nullable=False, comment='Token'),
    sa.Column('run_id', sa.Uuid(), nullable=False, comment='Profiling run that found it'),
    sa.Column('pool', sa.Text(), nullable=False, comment='Pool it bought in'),
    sa.Column('first_bought_at', sa.DateTime(timezone=True), nullable=False, comment='First purchase'),
    sa.Column('bought_usd', sa.Numeric(), nullable=False, comment='What it spent (USD)'),
    sa.Column('gain_pct', sa.Numeric(), nullable=False, comment='Gain, sold and still held together (percent)'),
    sa.ForeignKeyConstraint(['token_id'], ['token.id'], name=op.f('wallet_token_token_id_fkey'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['wallet_id'], ['wallet.id'], name=op.f('wallet_token_wallet_id_fkey'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('wallet_id', 'token_id', name=op.f('wallet_token_pkey')),
    comment='Which wallet was early in which token, and its gain.'
    )
    op.create_index('wallet_token_by_token', 'wallet_token', ['token_id'], unique=False)
    load_sql("discovery_runs")
    add_schedule()


def add_schedule() -> None:
    """`profile` follows `discovery`, where that still exists; its kind is described by the migrate step right after."""
    op.execute("alter table schedule disable trigger schedule_check")
    op.execute("insert into task_kind (name, description, options_schema, queue) values"
               " ('tasks.discovery.profile', 'tasks.discovery.profile', '{}', 'discovery') on conflict do nothing")
    op.execute("insert into schedule (name, title, task, after, note)"
               " select 'profile', 'Early buyers of chosen tokens', 'tasks.discovery.profile', name,"
               " 'Looks at tokens of discoveries with profile_immediately' from schedule where name = 'discovery'"
               " on conflict do nothing")
    op.execute("alter table schedule enable trigger schedule_check")


def downgrade() -> None:
    op.execute("drop view discovery_runs")
    op.execute("delete from schedule where task = 'tasks.discovery.profile'")
    for table in ("wallet_token", "token_profile", "wallet"):
        op.drop_table(table)
