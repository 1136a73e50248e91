"""Classified listings: sites, categories, ads and what became of them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from workers.migrate import load_sql

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table('site',
    sa.Column('name', sa.Text(), nullable=False, comment='Name'),
    sa.Column('upstream', sa.Text(), nullable=False, comment='Upstream whose limits hold for it'),
    sa.Column('title', sa.Text(), nullable=False, comment='Name for people'),
    sa.Column('page_path', sa.Text(), server_default=sa.text("'page-{page}'"), nullable=False, comment="Added to a category's path from page 2"),
    sa.Column('id_pattern', sa.Text(), server_default='(?:\\.|/)(\\d+)/?$', nullable=False, comment="Regular expression; its first group is the ad's number in the path of its address"),
    sa.Column('selectors', postgresql.JSONB(astext_type=sa.Text()), nullable=False, comment='Where on a card things stand: CSS, or CSS@attribute; checked when saved'),
    sa.Column('currency', sa.Text(), server_default=sa.text("'USD'"), nullable=False, comment='Currency of a price that names none'),
    sa.Column('expire_after', sa.SmallInteger(), server_default=sa.text('3'), nullable=False, comment='An ad expires after so many complete scrapes that covered its place without it'),
    sa.Column('active', sa.Boolean(), server_default=sa.text('true'), nullable=False, comment='false: left alone'),
    sa.Column('note', sa.Text(), nullable=True, comment='Why it is as it is'),
    sa.Column('updated_at', sa.DateTime(timezone=True), server_default=sa.text('clock_timestamp()'), nullable=False, comment='Last edit'),
    sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name='currency is three capitals, such as USD'),
    sa.CheckConstraint("id_pattern like '%(%)%'", name='id_pattern needs a group: (...)'),
    sa.CheckConstraint("name ~ '^[a-z0-9]+(_[a-z0-9]+)*$'", name='site name: lower-case words and digits joined by _'),
    sa.CheckConstraint("page_path like '%{page}%'", name='page_path must contain {page}'),
    sa.CheckConstraint('expire_after between 1 and 100', name='expire_after is from 1 to 100'),
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
    sa.CheckConstraint("path like '/%'", name='path must begin with /'),
    sa.ForeignKeyConstraint(['parent_id'], ['category.id'], name=op.f('category_parent_id_fkey')),
    sa.ForeignKeyConstraint(['site'], ['site.name'], name=op.f('category_site_fkey'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('category_pkey')),
    sa.UniqueConstraint('site', 'external_id', name=op.f('category_site_external_id_key')),
    sa.UniqueConstraint('site', 'slug', name=op.f('category_site_slug_key')),
    comment='Categories of sites; those marked scraped are visited.'
    )
    op.create_index('category_by_parent', 'category', ['parent_id'], unique=False)
    op.create_table('site_turn',
    sa.Column('site', sa.Text(), nullable=False, comment='Site'),
    sa.Column('run_id', sa.Uuid(), nullable=False, comment='Run that has, or had, the turn'),
    sa.Column('since', sa.DateTime(timezone=True), server_default=sa.text('clock_timestamp()'), nullable=False, comment='Since when'),
    sa.ForeignKeyConstraint(['site'], ['site.name'], name=op.f('site_turn_site_fkey'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('site', name=op.f('site_turn_pkey')),
    comment='Which run scrapes each site now, or did last.'
    )
    op.create_table('category_state',
    sa.Column('category_id', sa.BigInteger(), autoincrement=False, nullable=False, comment='Category'),
    sa.Column('first_complete_at', sa.DateTime(timezone=True), server_default=sa.text('clock_timestamp()'), nullable=False, comment='End of its first complete scrape; delete the row for another thorough one'),
    sa.Column('last_complete_at', sa.DateTime(timezone=True), server_default=sa.text('clock_timestamp()'), nullable=False, comment='End of its last complete scrape'),
    sa.ForeignKeyConstraint(['category_id'], ['category.id'], name=op.f('category_state_category_id_fkey'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('category_id', name=op.f('category_state_pkey')),
    comment='Since when and last when each category was scraped whole.'
    )
    op.create_table('list_page',
    sa.Column('category_id', sa.BigInteger(), nullable=False, comment='Category'),
    sa.Column('page', sa.Integer(), autoincrement=False, nullable=False, comment='From 1'),
    sa.Column('etag', sa.Text(), nullable=True, comment='Its ETag'),
    sa.Column('last_modified', sa.Text(), nullable=True, comment='Its Last-Modified'),
    sa.Column('reading', sa.Text(), nullable=False, comment="By which version of the site's row it was read"),
    sa.Column('external_ids', postgresql.ARRAY(sa.Text()), nullable=False, comment='Its ads, in order'),
    sa.Column('has_next', sa.Boolean(), nullable=False, comment='Whether another page followed'),
    sa.Column('read_at', sa.DateTime(timezone=True), server_default=sa.text('clock_timestamp()'), nullable=False, comment='When it was read'),
    sa.ForeignKeyConstraint(['category_id'], ['category.id'], name=op.f('list_page_category_id_fkey'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('category_id', 'page', name=op.f('list_page_pkey')),
    comment='Each list page as it was read last, for conditional requests.'
    )
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
    sa.Column('ships_to', sa.Text(), nullable=True, comment='Where it is sent, as the ad says'),
    sa.Column('regions', postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False, comment='The same, region by region'),
    sa.Column('seller', sa.Text(), nullable=True, comment="Seller's user name"),
    sa.Column('seller_reputation', sa.Integer(), nullable=True, comment="Seller's reputation"),
    sa.Column('status', sa.Text(), server_default=sa.text("'active'"), nullable=False, comment='active | sold | closed | traded | expired | deleted'),
    sa.Column('listed_at', sa.DateTime(timezone=True), nullable=True, comment='When the seller listed it'),
    sa.Column('edited_at', sa.DateTime(timezone=True), nullable=True, comment='When the seller last edited it'),
    sa.Column('missed_scrapes', sa.Integer(), server_default=sa.text('0'), nullable=False, comment='Complete scrapes in a row that covered its place without it'),
    sa.Column('first_seen_at', sa.DateTime(timezone=True), server_default=sa.text('clock_timestamp()'), nullable=False, comment='First seen'),
    sa.Column('changed_at', sa.DateTime(timezone=True), server_default=sa.text('clock_timestamp()'), nullable=False, comment='Last change seen'),
    sa.Column('last_seen_at', sa.DateTime(timezone=True), server_default=sa.text('clock_timestamp()'), nullable=False, comment='Last seen'),
    sa.CheckConstraint("status in ('active', 'sold', 'closed', 'traded', 'expired', 'deleted')", name='status is one of those in the comment'),
    sa.CheckConstraint('price > 0', name='price must be more than nothing'),
    sa.ForeignKeyConstraint(['category_id'], ['category.id'], name=op.f('listing_category_id_fkey'), ondelete='SET NULL'),
    sa.ForeignKeyConstraint(['site'], ['site.name'], name=op.f('listing_site_fkey'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('listing_pkey')),
    sa.UniqueConstraint('site', 'external_id', name=op.f('listing_site_external_id_key')),
    comment='Every ad ever seen, with its latest state.'
    )
    op.create_index('listing_by_category', 'listing', ['category_id', 'last_seen_at'], unique=False)
    op.create_index('listing_by_first_seen', 'listing', ['first_seen_at'], unique=False)
    op.create_table('scrape',
    sa.Column('run_id', sa.Uuid(), nullable=False, comment='Run'),
    sa.Column('category_id', sa.BigInteger(), nullable=False, comment='Category'),
    sa.Column('thorough', sa.Boolean(), nullable=False, comment="Whether it was the category's first scrape"),
    sa.Column('pages', sa.Integer(), server_default=sa.text('0'), nullable=False, comment='Pages read'),
    sa.Column('unchanged_pages', sa.Integer(), server_default=sa.text('0'), nullable=False, comment='Pages that the site said had not changed (304)'),
    sa.Column('cards', sa.Integer(), server_default=sa.text('0'), nullable=False, comment='Ads on them'),
    sa.Column('new', sa.Integer(), server_default=sa.text('0'), nullable=False, comment='Ads never seen before'),
    sa.Column('changed', sa.Integer(), server_default=sa.text('0'), nullable=False, comment='Ads that changed'),
    sa.Column('price_changes', sa.Integer(), server_default=sa.text('0'), nullable=False, comment='Prices noted: first ones and changes'),
    sa.Column('expired', sa.Integer(), server_default=sa.text('0'), nullable=False, comment='Ads that were missed once too often'),
    sa.Column('state', sa.Text(), server_default=sa.text("'running'"), nullable=False, comment='running | complete | incomplete | blocked | failed'),
    sa.Column('reason', sa.Text(), nullable=True, comment='Why it ended where it did'),
    sa.Column('started_at', sa.DateTime(timezone=True), server_default=sa.text('clock_timestamp()'), nullable=False, comment='First page'),
    sa.Column('ended_at', sa.DateTime(timezone=True), nullable=True, comment='Ended'),
    sa.CheckConstraint("state in ('running', 'complete', 'incomplete', 'blocked', 'failed')", name='state is one of those in the comment'),
    sa.ForeignKeyConstraint(['category_id'], ['category.id'], name=op.f('scrape_category_id_fkey'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('run_id', 'category_id', name=op.f('scrape_pkey')),
    comment='What became of each category in each scrape run.'
    )
    op.create_index('scrape_by_category', 'scrape', ['category_id', 'started_at'], unique=False)
    op.create_index('scrape_by_time', 'scrape', ['started_at'], unique=False)
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
    op.create_table('listing_status_change',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False, comment='Key'),
    sa.Column('listing_id', sa.BigInteger(), nullable=False, comment='Ad'),
    sa.Column('status', sa.Text(), nullable=False, comment='Status from then on'),
    sa.Column('before', sa.Text(), nullable=True, comment='Status before; null: first seen'),
    sa.Column('seen_at', sa.DateTime(timezone=True), server_default=sa.text('clock_timestamp()'), nullable=False, comment='Since'),
    sa.ForeignKeyConstraint(['listing_id'], ['listing.id'], name=op.f('listing_status_change_listing_id_fkey'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('listing_status_change_pkey')),
    comment='Statuses of ads over time, one row a change.'
    )
    op.create_index('listing_status_change_by_listing', 'listing_status_change', ['listing_id', 'seen_at'], unique=False)
    load_sql("site_check", "scrape_log")


def downgrade() -> None:
    op.execute("drop view scrape_log")
    for table in (
        "listing_status_change",
        "listing_price",
        "scrape",
        "listing",
        "list_page",
        "category_state",
        "site_turn",
        "category",
        "site",
    ):
        op.drop_table(table)
    op.execute("drop function site_check()")
    op.execute("drop function selector_fits(text)")
