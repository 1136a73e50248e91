"""Classified listings."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table('site',
    sa.Column('name', sa.Text(), nullable=False, comment='Name'),
    sa.Column('upstream', sa.Text(), nullable=False, comment='Upstream whose limits hold for it'),
    sa.Column('title', sa.Text(), nullable=False, comment='Name for people'),
    sa.Column('page_path', sa.Text(), server_default=sa.text("'page-{page}'"), nullable=False, comment="Added to a category's path from page 2"),
    sa.Column('selectors', postgresql.JSONB(astext_type=sa.Text()), nullable=False, comment='Where on a card things stand (CSS)'),
    sa.Column('currency', sa.Text(), server_default=sa.text("'USD'"), nullable=False, comment='Currency of a price that names none'),
    sa.Column('active', sa.Boolean(), server_default=sa.text('true'), nullable=False, comment='false: left alone'),
    sa.Column('note', sa.Text(), nullable=True, comment='Why it is as it is'),
    sa.CheckConstraint("page_path like '%{page}%'", name='page_path must contain {page}'),
    sa.ForeignKeyConstraint(['upstream'], ['upstream.name'], name=op.f('site_upstream_fkey')),
    sa.PrimaryKeyConstraint('name', name=op.f('site_pkey')),
    comment='Sites with classified ads; add one with SQL alone.'
    )
    op.create_index('site_by_upstream', 'site', ['upstream'], unique=False)
    op.create_table('category',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False, comment='Key'),
    sa.Column('site', sa.Text(), nullable=False, comment='Site'),
    sa.Column('external_id', sa.Text(), nullable=False, comment="The site's own number"),
    sa.Column('slug', sa.Text(), nullable=False, comment="The site's own word, used in options"),
    sa.Column('title', sa.Text(), nullable=False, comment='Name for people'),
    sa.Column('path', sa.Text(), nullable=False, comment='Path of its first page'),
    sa.Column('parent_id', sa.BigInteger(), nullable=True, comment='Category it belongs to'),
    sa.Column('scraped', sa.Boolean(), server_default=sa.text('true'), nullable=False, comment='Whether visited'),
    sa.ForeignKeyConstraint(['parent_id'], ['category.id'], name=op.f('category_parent_id_fkey')),
    sa.ForeignKeyConstraint(['site'], ['site.name'], name=op.f('category_site_fkey'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('category_pkey')),
    sa.UniqueConstraint('site', 'external_id', name=op.f('category_site_external_id_key')),
    sa.UniqueConstraint('site', 'slug', name=op.f('category_site_slug_key')),
    comment='Categories of sites; those marked scraped are visited.'
    )
    op.create_index('category_by_parent', 'category', ['parent_id'], unique=False)
    op.create_table('scrape_page',
    sa.Column('run_id', sa.Uuid(), nullable=False, comment='Run'),
    sa.Column('category', sa.Text(), nullable=False, comment="Category's slug"),
    sa.Column('page', sa.Integer(), autoincrement=False, nullable=False, comment='From 1'),
    sa.Column('site', sa.Text(), nullable=False, comment='Site'),
    sa.Column('cards', sa.Integer(), nullable=False, comment='Ads on it'),
    sa.Column('new', sa.Integer(), nullable=False, comment='Ads never seen before'),
    sa.Column('changed', sa.Integer(), nullable=False, comment='Ads that changed'),
    sa.Column('fetched_at', sa.DateTime(timezone=True), server_default=sa.text('clock_timestamp()'), nullable=False, comment='When'),
    sa.ForeignKeyConstraint(['site'], ['site.name'], name=op.f('scrape_page_site_fkey'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('run_id', 'category', 'page', name=op.f('scrape_page_pkey')),
    comment='Every page fetched: cards, new, changed.'
    )
    op.create_index('scrape_page_by_site', 'scrape_page', ['site', 'fetched_at'], unique=False)
    op.create_table('listing',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False, comment='Key'),
    sa.Column('site', sa.Text(), nullable=False, comment='Site'),
    sa.Column('external_id', sa.Text(), nullable=False, comment="The site's own number"),
    sa.Column('category_id', sa.BigInteger(), nullable=True, comment='Category it was found in'),
    sa.Column('title', sa.Text(), nullable=False, comment='Title'),
    sa.Column('url', sa.Text(), nullable=False, comment='Address of the ad'),
    sa.Column('image_url', sa.Text(), nullable=True, comment='Address of its picture'),
    sa.Column('listing_type', sa.Text(), nullable=True, comment='For Sale, Want To Buy …'),
    sa.Column('price', sa.Numeric(precision=14, scale=2), nullable=True, comment='Price asked'),
    sa.Column('currency', sa.Text(), nullable=True, comment='Currency (ISO 4217)'),
    sa.Column('condition', sa.Text(), nullable=True, comment='Condition'),
    sa.Column('negotiability', sa.Text(), nullable=True, comment='Firm, Or best offer …'),
    sa.Column('ships_to', postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False, comment='Regions it is sent to'),
    sa.Column('seller', sa.Text(), nullable=True, comment="Seller's user name"),
    sa.Column('seller_reputation', sa.Integer(), nullable=True, comment="Seller's reputation"),
    sa.Column('status', sa.Text(), server_default=sa.text("'active'"), nullable=False, comment='active | sold | closed | traded | expired'),
    sa.Column('listed_at', sa.DateTime(timezone=True), nullable=True, comment='When the seller listed it'),
    sa.Column('edited_at', sa.DateTime(timezone=True), nullable=True, comment='When the seller last edited it'),
    sa.Column('missed_scrapes', sa.Integer(), server_default=sa.text('0'), nullable=False, comment='Complete scrapes of its place that did not show it'),
    sa.Column('first_seen_at', sa.DateTime(timezone=True), server_default=sa.text('clock_timestamp()'), nullable=False, comment='First seen'),
    sa.Column('last_seen_at', sa.DateTime(timezone=True), server_default=sa.text('clock_timestamp()'), nullable=False, comment='Last seen'),
    sa.ForeignKeyConstraint(['category_id'], ['category.id'], name=op.f('listing_category_id_fkey')),
    sa.ForeignKeyConstraint(['site'], ['site.name'], name=op.f('listing_site_fkey'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('listing_pkey')),
    sa.UniqueConstraint('site', 'external_id', name=op.f('listing_site_external_id_key')),
    comment='Every ad ever seen, with its latest state.'
    )
    op.create_index('listing_by_category', 'listing', ['category_id', 'last_seen_at'], unique=False)
    op.create_index('listing_by_first_seen', 'listing', ['first_seen_at'], unique=False)
    op.create_table('listing_price',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False, comment='Key'),
    sa.Column('listing_id', sa.BigInteger(), nullable=False, comment='Ad'),
    sa.Column('price', sa.Numeric(precision=14, scale=2), nullable=False, comment='Price asked'),
    sa.Column('currency', sa.Text(), nullable=True, comment='Currency (ISO 4217)'),
    sa.Column('seen_at', sa.DateTime(timezone=True), server_default=sa.text('clock_timestamp()'), nullable=False, comment='Since'),
    sa.ForeignKeyConstraint(['listing_id'], ['listing.id'], name=op.f('listing_price_listing_id_fkey'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('listing_price_pkey')),
    comment='Prices of ads over time, one row a change.'
    )
    op.create_index('listing_price_by_listing', 'listing_price', ['listing_id', 'seen_at'], unique=False)


def downgrade() -> None:
    op.drop_index('listing_price_by_listing', table_name='listing_price')
    op.drop_table('listing_price')
    op.drop_index('listing_by_first_seen', table_name='listing')
    op.drop_index('listing_by_category', table_name='listing')
    op.drop_table('listing')
    op.drop_index('scrape_page_by_site', table_name='scrape_page')
    op.drop_table('scrape_page')
    op.drop_index('category_by_parent', table_name='category')
    op.drop_table('category')
    op.drop_index('site_by_upstream', table_name='site')
    op.drop_table('site')
