"""Prices, markets and their sessions, timezones."""

import sqlalchemy as sa
from alembic import op

from workers.migrate import load_sql

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table('market',
    sa.Column('mic', sa.Text(), nullable=False, comment='Market identifier code'),
    sa.Column('title', sa.Text(), nullable=False, comment='Name for people'),
    sa.Column('timezone', sa.Text(), nullable=False, comment='IANA zone of its dates'),
    sa.PrimaryKeyConstraint('mic', name=op.f('market_pkey')),
    comment='Exchanges whose trading days schedules may follow.'
    )
    op.create_table('price_bar',
    sa.Column('symbol', sa.Text(), nullable=False, comment='Symbol'),
    sa.Column('bar_date', sa.Date(), nullable=False, comment='Session'),
    sa.Column('source', sa.Text(), nullable=False, comment='Where it is from'),
    sa.Column('open', sa.Numeric(precision=20, scale=6), nullable=True, comment='First price'),
    sa.Column('high', sa.Numeric(precision=20, scale=6), nullable=True, comment='Highest price'),
    sa.Column('low', sa.Numeric(precision=20, scale=6), nullable=True, comment='Lowest price'),
    sa.Column('close', sa.Numeric(precision=20, scale=6), nullable=False, comment='Last price'),
    sa.Column('volume', sa.BigInteger(), nullable=True, comment='Shares traded'),
    sa.Column('stored_at', sa.DateTime(timezone=True), server_default=sa.text('clock_timestamp()'), nullable=False, comment='First stored'),
    sa.Column('revised_at', sa.DateTime(timezone=True), nullable=True, comment='Last time the source said something else'),
    sa.CheckConstraint('close > 0', name='close must be more than nothing'),
    sa.CheckConstraint('volume >= 0', name='volume must be 0 or more'),
    sa.PrimaryKeyConstraint('symbol', 'bar_date', 'source', name=op.f('price_bar_pkey')),
    comment='Daily bars by symbol and source; a revision overwrites and is dated.'
    )
    op.create_index('price_bar_by_date', 'price_bar', ['bar_date'], unique=False)
    op.create_table('price_outcome',
    sa.Column('run_id', sa.Uuid(), nullable=False, comment='Run'),
    sa.Column('symbol', sa.Text(), nullable=False, comment='Symbol'),
    sa.Column('outcome', sa.Text(), nullable=False, comment='ok | not_found | stale (answered, without its last session)'),
    sa.Column('source', sa.Text(), nullable=True, comment='Source that answered'),
    sa.Column('detail', sa.Text(), nullable=True, comment='More about it'),
    sa.Column('at', sa.DateTime(timezone=True), server_default=sa.text('clock_timestamp()'), nullable=False, comment='When'),
    sa.CheckConstraint("outcome in ('ok', 'not_found', 'stale')", name='outcome is one of those in the docs'),
    sa.PrimaryKeyConstraint('run_id', 'symbol', name=op.f('price_outcome_pkey')),
    comment='What became of each symbol in each price run.'
    )
    op.create_index('price_outcome_by_symbol', 'price_outcome', ['symbol', 'at'], unique=False)
    op.create_index('price_outcome_by_time', 'price_outcome', ['at'], unique=False)
    op.create_table('quote',
    sa.Column('symbol', sa.Text(), nullable=False, comment='Symbol'),
    sa.Column('source', sa.Text(), nullable=False, comment='Where it is from'),
    sa.Column('price', sa.Numeric(precision=20, scale=6), nullable=False, comment='Price'),
    sa.Column('session_date', sa.Date(), nullable=False, comment='Session the price is of'),
    sa.Column('volume', sa.BigInteger(), nullable=True, comment='Shares traded in it'),
    sa.Column('previous_close', sa.Numeric(precision=20, scale=6), nullable=True, comment='Last price the session before'),
    sa.Column('fetched_at', sa.DateTime(timezone=True), server_default=sa.text('clock_timestamp()'), nullable=False, comment='Last confirmed'),
    sa.CheckConstraint('price > 0', name='price must be more than nothing'),
    sa.PrimaryKeyConstraint('symbol', 'source', name=op.f('quote_pkey')),
    comment='The latest price by symbol and source.'
    )
    op.create_table('timezone_name',
    sa.Column('name', sa.Text(), nullable=False, comment='IANA name'),
    sa.PrimaryKeyConstraint('name', name=op.f('timezone_name_pkey')),
    comment='Timezones that schedules may name; written by migrate.'
    )
    op.create_table('transaction',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False, comment='Key'),
    sa.Column('symbol', sa.Text(), nullable=False, comment='Symbol'),
    sa.Column('quantity', sa.Numeric(), nullable=False, comment='Bought above, sold below nothing'),
    sa.Column('price', sa.Numeric(precision=20, scale=6), nullable=False, comment='Price of one'),
    sa.Column('traded_at', sa.DateTime(timezone=True), server_default=sa.text('clock_timestamp()'), nullable=False, comment='When'),
    sa.CheckConstraint("symbol ~ '^[A-Z0-9]{1,10}([.\\-][A-Z0-9]{1,6})?$'", name='symbol: capitals, e.g. AAPL, BRK.B, TSCO.LON'),
    sa.CheckConstraint('price > 0', name='price must be more than nothing'),
    sa.CheckConstraint('quantity <> 0', name='quantity: bought above, sold below nothing'),
    sa.PrimaryKeyConstraint('id', name=op.f('transaction_pkey')),
    comment='Trades of ours; their symbols are kept fresh.'
    )
    op.create_index('transaction_by_time', 'transaction', ['traded_at', 'symbol'], unique=False)
    op.create_table('watchlist_item',
    sa.Column('symbol', sa.Text(), nullable=False, comment='Symbol'),
    sa.Column('priority', sa.Integer(), server_default=sa.text('100'), nullable=False, comment='Lower goes first'),
    sa.Column('refresh_every', sa.Interval(), server_default=sa.text("interval '5 minutes'"), nullable=False, comment='Oldest a price may be while the market is open'),
    sa.Column('active', sa.Boolean(), server_default=sa.text('true'), nullable=False, comment='false: removed'),
    sa.Column('note', sa.Text(), nullable=True, comment='Why it is followed'),
    sa.Column('added_at', sa.DateTime(timezone=True), server_default=sa.text('clock_timestamp()'), nullable=False, comment='First added'),
    sa.CheckConstraint("refresh_every > interval '0'", name='refresh_every is longer than nothing'),
    sa.CheckConstraint("symbol ~ '^[A-Z0-9]{1,10}([.\\-][A-Z0-9]{1,6})?$'", name='symbol: capitals, e.g. AAPL, BRK.B, TSCO.LON'),
    sa.CheckConstraint('priority >= 0', name='priority: 0 or more, lower goes first'),
    sa.PrimaryKeyConstraint('symbol', name=op.f('watchlist_item_pkey')),
    comment='Symbols to follow; edit with SQL.'
    )
    op.create_index('watchlist_item_active', 'watchlist_item', ['priority', 'symbol'], unique=False, postgresql_where=sa.text('active'))
    op.create_table('market_session',
    sa.Column('mic', sa.Text(), nullable=False, comment='Exchange'),
    sa.Column('session_date', sa.Date(), nullable=False, comment="Date in the exchange's own zone"),
    sa.Column('open_at', sa.DateTime(timezone=True), nullable=False, comment='Opens'),
    sa.Column('close_at', sa.DateTime(timezone=True), nullable=False, comment='Closes'),
    sa.ForeignKeyConstraint(['mic'], ['market.mic'], name=op.f('market_session_mic_fkey'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('mic', 'session_date', name=op.f('market_session_pkey')),
    comment='Trading days with their real opening and closing times.'
    )
    op.create_index('market_session_by_close', 'market_session', ['mic', 'close_at'], unique=False)
    load_sql('recent_price_outcomes')


def downgrade() -> None:
    op.execute('drop view recent_price_outcomes')
    op.drop_index('market_session_by_close', table_name='market_session')
    op.drop_table('market_session')
    op.drop_index('watchlist_item_active', table_name='watchlist_item', postgresql_where=sa.text('active'))
    op.drop_table('watchlist_item')
    op.drop_index('transaction_by_time', table_name='transaction')
    op.drop_table('transaction')
    op.drop_table('timezone_name')
    op.drop_table('quote')
    op.drop_index('price_outcome_by_time', table_name='price_outcome')
    op.drop_index('price_outcome_by_symbol', table_name='price_outcome')
    op.drop_table('price_outcome')
    op.drop_index('price_bar_by_date', table_name='price_bar')
    op.drop_table('price_bar')
    op.drop_table('market')
