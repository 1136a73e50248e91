"""Tokens: what discovery found."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table('token',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False, comment='Key'),
    sa.Column('chain', sa.Text(), nullable=False, comment='Chain, as DexScreener names it'),
    sa.Column('address_key', sa.Text(), nullable=False, comment='Address, normalised; with chain unique'),
    sa.Column('address', sa.Text(), nullable=False, comment='Address as first written'),
    sa.Column('symbol', sa.Text(), nullable=True, comment='Ticker, at most 64 characters'),
    sa.Column('name', sa.Text(), nullable=True, comment='Name, at most 256 characters'),
    sa.Column('price_usd', sa.Numeric(), nullable=True, comment='Price (USD)'),
    sa.Column('market_cap', sa.Numeric(), nullable=True, comment='Market capitalisation (USD)'),
    sa.Column('volume_h24', sa.Numeric(), nullable=True, comment='Volume of 24 hours (USD)'),
    sa.Column('liquidity_usd', sa.Numeric(), nullable=True, comment='Liquidity (USD)'),
    sa.Column('price_change_h24', sa.Numeric(), nullable=True, comment='Price change of 24 hours (percent)'),
    sa.Column('pool_created_at', sa.DateTime(timezone=True), nullable=True, comment='Age of its main pool is counted from here'),
    sa.Column('first_run_id', sa.Uuid(), nullable=True, comment='Run that found it first'),
    sa.Column('first_seen_at', sa.DateTime(timezone=True), server_default=sa.text('clock_timestamp()'), nullable=False, comment='First seen'),
    sa.Column('last_seen_at', sa.DateTime(timezone=True), server_default=sa.text('clock_timestamp()'), nullable=False, comment='Last in a feed'),
    sa.Column('last_checked_at', sa.DateTime(timezone=True), nullable=True, comment='Last looked up'),
    sa.PrimaryKeyConstraint('id', name=op.f('token_pkey')),
    sa.UniqueConstraint('chain', 'address_key', name=op.f('token_chain_address_key_key')),
    comment='Every token ever seen, with the latest values known.'
    )
    op.create_index('token_by_check', 'token', ['last_checked_at'], unique=False)
    op.create_index('token_by_first_seen', 'token', ['first_seen_at'], unique=False)
    op.create_table('token_pool',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False, comment='Key'),
    sa.Column('token_id', sa.BigInteger(), nullable=False, comment='Base token'),
    sa.Column('chain', sa.Text(), nullable=False, comment='Chain'),
    sa.Column('pool', sa.Text(), nullable=False, comment='Address of the pool'),
    sa.Column('dex', sa.Text(), nullable=True, comment='Exchange'),
    sa.Column('price_usd', sa.Numeric(), nullable=True, comment='Price (USD)'),
    sa.Column('liquidity_usd', sa.Numeric(), nullable=True, comment='Liquidity (USD)'),
    sa.Column('volume_h24', sa.Numeric(), nullable=True, comment='Volume of 24 hours (USD)'),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=True, comment='When the pool was made'),
    sa.Column('checked_at', sa.DateTime(timezone=True), server_default=sa.text('clock_timestamp()'), nullable=False, comment='Last looked up'),
    sa.ForeignKeyConstraint(['token_id'], ['token.id'], name=op.f('token_pool_token_id_fkey'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('token_pool_pkey')),
    sa.UniqueConstraint('chain', 'pool', name=op.f('token_pool_chain_pool_key')),
    comment='The pools that tokens trade in, with the latest values.'
    )
    op.create_index('token_pool_by_token', 'token_pool', ['token_id'], unique=False)
    op.create_table('token_sighting',
    sa.Column('run_id', sa.Uuid(), nullable=False, comment='Run'),
    sa.Column('token_id', sa.BigInteger(), nullable=False, comment='Token'),
    sa.Column('is_new', sa.Boolean(), nullable=False, comment='Seen for the first time'),
    sa.Column('chosen', sa.Boolean(), nullable=False, comment='Passed every filter'),
    sa.Column('rejected_because', sa.Text(), nullable=True, comment='Filter that rejected it'),
    sa.Column('feeds', postgresql.ARRAY(sa.Text()), nullable=False, comment='Feeds that named it'),
    sa.ForeignKeyConstraint(['token_id'], ['token.id'], name=op.f('token_sighting_token_id_fkey'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('run_id', 'token_id', name=op.f('token_sighting_pkey')),
    comment='What each discovery run made of each token it saw.'
    )
    op.create_index('token_sighting_by_token', 'token_sighting', ['token_id'], unique=False)
    op.create_table('token_snapshot',
    sa.Column('token_id', sa.BigInteger(), nullable=False, comment='Token'),
    sa.Column('run_id', sa.Uuid(), nullable=False, comment='Run that saw it'),
    sa.Column('pool', sa.Text(), nullable=True, comment='Pool the values are from'),
    sa.Column('price_usd', sa.Numeric(), nullable=True, comment='Price (USD)'),
    sa.Column('liquidity_usd', sa.Numeric(), nullable=True, comment='Liquidity (USD)'),
    sa.Column('volume_h24', sa.Numeric(), nullable=True, comment='Volume of 24 hours (USD)'),
    sa.Column('market_cap', sa.Numeric(), nullable=True, comment='Market capitalisation (USD)'),
    sa.Column('taken_at', sa.DateTime(timezone=True), server_default=sa.text('clock_timestamp()'), nullable=False, comment='When'),
    sa.ForeignKeyConstraint(['token_id'], ['token.id'], name=op.f('token_snapshot_token_id_fkey'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('token_id', 'run_id', name=op.f('token_snapshot_pkey')),
    comment='Values of tokens over time, one row a token and run.'
    )


def downgrade() -> None:
    op.drop_table('token_snapshot')
    op.drop_index('token_sighting_by_token', table_name='token_sighting')
    op.drop_table('token_sighting')
    op.drop_index('token_pool_by_token', table_name='token_pool')
    op.drop_table('token_pool')
    op.drop_index('token_by_first_seen', table_name='token')
    op.drop_index('token_by_check', table_name='token')
    op.drop_table('token')
