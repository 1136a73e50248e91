"""Rules over what watches find, their matches, and the outbox of notices."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy import Text
from sqlalchemy.dialects import postgresql

from workers.migrate import load_sql

revision = "0060"
down_revision = "0052"

#: name, title, task, every, overlap
SCHEDULES = (
    ("send-notices", "Sends what waits in the outbox", "tasks.watches.send", "1 minute", "allow_all"),
    ("check-rules", "Reads rules that were edited", "tasks.watches.check", "1 hour", "buffer_one"),
)
#: A mail server is an upstream too.
BASE_URL = "base_url ~ '^(https?|smtps?|smtp[+]starttls)://[^/]'"


def upgrade() -> None:
    op.create_table('global_filter',
    sa.Column('single', sa.Boolean(), server_default=sa.text('true'), nullable=False, comment='Always true: one row'),
    sa.Column('filters', postgresql.JSONB(astext_type=Text()), server_default=sa.text("'{}'"), nullable=False, comment='listing_types, exclude_listing_types, ships_to, exclude_status, min_seller_reputation, categories'),
    sa.CheckConstraint("jsonb_typeof(filters) = 'object'", name='filters must be a JSON object'),
    sa.CheckConstraint('single', name='there is one row of global filters only'),
    sa.PrimaryKeyConstraint('single', name=op.f('global_filter_pkey')),
    comment="One row: filters that hold for every rule; a rule's own replace them one by one."
    )
    op.create_table('rule',
    sa.Column('name', sa.Text(), nullable=False, comment='Lower-case words joined by hyphens'),
    sa.Column('subject', sa.Text(), server_default=sa.text("'listing'"), nullable=False, comment='listing | token | quote'),
    sa.Column('expression', sa.Text(), nullable=False, comment='E.g. title contains "HD 650" AND price < 300'),
    sa.Column('grammar', sa.SmallInteger(), server_default=sa.text('2'), nullable=False, comment='Language of the expression: 1 (as it was) or 2'),
    sa.Column('filters', postgresql.JSONB(astext_type=Text()), server_default=sa.text("'{}'"), nullable=False, comment='Filters that replace the global ones, one by one'),
    sa.Column('occasions', postgresql.ARRAY(Text()), server_default=sa.text("'{new,price_drop,relisted,changed}'"), nullable=False, comment='What makes it speak: new, price_drop, relisted, changed'),
    sa.Column('channels', postgresql.ARRAY(Text()), nullable=True, comment='Channels that hear of its matches; null: every enabled one'),
    sa.Column('baseline', sa.Boolean(), server_default=sa.text('false'), nullable=False, comment="Also ads that a category's first scrape finds"),
    sa.Column('enabled', sa.Boolean(), server_default=sa.text('true'), nullable=False, comment='false: not asked'),
    sa.Column('note', sa.Text(), nullable=True, comment='Why it is as it is'),
    sa.Column('revision', sa.BigInteger(), server_default=sa.text('0'), nullable=False, comment='Rises at every edit (trigger)'),
    sa.Column('updated_at', sa.DateTime(timezone=True), server_default=sa.text('clock_timestamp()'), nullable=False, comment='Last edit (trigger)'),
    sa.CheckConstraint("jsonb_typeof(filters) = 'object'", name='filters must be a JSON object'),
    sa.CheckConstraint("name ~ '^[a-z0-9]+(-[a-z0-9]+)*$'", name='name: lower-case words and digits joined by hyphens'),
    sa.CheckConstraint("occasions <@ array['new', 'price_drop', 'relisted', 'changed']", name='occasions: new, price_drop, relisted, changed'),
    sa.CheckConstraint("subject in ('listing', 'token', 'quote')", name='subject: listing, token or quote'),
    sa.CheckConstraint('grammar in (1, 2)', name='grammar: 1 (as it was) or 2'),
    sa.PrimaryKeyConstraint('name', name=op.f('rule_pkey')),
    comment='What people want to hear of: an expression over what a watch finds.'
    )
    op.create_table('channel',
    sa.Column('name', sa.Text(), nullable=False, comment='Lower-case words joined by hyphens'),
    sa.Column('kind', sa.Text(), nullable=False, comment='discord | email | webhook | apprise'),
    sa.Column('target', sa.Text(), nullable=False, comment='Address, or where it is: env:NAME or file:PATH; e-mail: recipients with commas'),
    sa.Column('upstream', sa.Text(), nullable=False, comment='Its server: base_url and quota'),
    sa.Column('sender', sa.Text(), nullable=True, comment='E-mail: From'),
    sa.Column('max_per_hour', sa.Integer(), server_default=sa.text('30'), nullable=False, comment='Most messages an hour; more notices share a message'),
    sa.Column('incidents', sa.Boolean(), server_default=sa.text('true'), nullable=False, comment='Also hears what is broken, and the daily digest'),
    sa.Column('enabled', sa.Boolean(), server_default=sa.text('true'), nullable=False, comment='false: notices wait'),
    sa.Column('note', sa.Text(), nullable=True, comment='Why it is as it is'),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('clock_timestamp()'), nullable=False, comment='Added'),
    sa.CheckConstraint("kind in ('discord', 'email', 'webhook', 'apprise')", name='kind: discord, email, webhook or apprise'),
    sa.CheckConstraint("name ~ '^[a-z0-9]+(-[a-z0-9]+)*$'", name='name: lower-case words and digits joined by hyphens'),
    sa.CheckConstraint("target !~ '//[^/@]*:[^/@]*@'", name='target holds a password: write env:NAME or file:PATH'),
    sa.CheckConstraint("target ~ '^(env|file):' or kind in ('email', 'webhook')", name='target: a secret address is env:NAME or file:PATH'),
    sa.CheckConstraint('max_per_hour >= 1', name='max_per_hour must be 1 or more'),
    sa.ForeignKeyConstraint(['upstream'], ['upstream.name'], name=op.f('channel_upstream_fkey'), ondelete='RESTRICT'),
    sa.PrimaryKeyConstraint('name', name=op.f('channel_pkey')),
    comment='Where notices go.  Addresses that are secrets are named, not written: env:NAME, file:PATH.'
    )
    op.create_index('channel_by_upstream', 'channel', ['upstream'], unique=False)
    op.create_table('match',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False, comment='Key'),
    sa.Column('rule', sa.Text(), nullable=False, comment='Rule'),
    sa.Column('subject', sa.Text(), nullable=False, comment='listing | token | quote'),
    sa.Column('subject_id', sa.Text(), nullable=False, comment='Key of the listing or token, or the symbol'),
    sa.Column('occasion', sa.Text(), nullable=False, comment='new | price_drop | relisted | changed'),
    sa.Column('occasion_key', sa.Text(), nullable=False, comment='The occasion itself: each lower price, each return, each day is one of its own'),
    sa.Column('title', sa.Text(), nullable=False, comment='What it is, for people'),
    sa.Column('facts', postgresql.JSONB(astext_type=Text()), nullable=False, comment='As it was found: price, currency, old_price, url, seller …'),
    sa.Column('run_id', sa.Uuid(), nullable=True, comment='Run that found it'),
    sa.Column('matched_at', sa.DateTime(timezone=True), server_default=sa.text('clock_timestamp()'), nullable=False, comment='When'),
    sa.ForeignKeyConstraint(['rule'], ['rule.name'], name=op.f('match_rule_fkey'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('match_pkey')),
    sa.UniqueConstraint('rule', 'subject', 'subject_id', 'occasion_key', name=op.f('match_rule_subject_subject_id_occasion_key_key')),
    comment='What rules fitted: once for each rule, subject and occasion.'
    )
    op.create_index('match_by_time', 'match', ['matched_at'], unique=False)
    op.create_table('rule_state',
    sa.Column('rule', sa.Text(), nullable=False, comment='Rule'),
    sa.Column('revision', sa.BigInteger(), nullable=False, comment='Revision that was read'),
    sa.Column('error', sa.Text(), nullable=True, comment='What is wrong; null: the rule is active'),
    sa.Column('error_at', sa.Integer(), nullable=True, comment='Where in the expression, in characters from 0'),
    sa.Column('hint', sa.Text(), nullable=True, comment='What to write instead'),
    sa.Column('checked_at', sa.DateTime(timezone=True), server_default=sa.text('clock_timestamp()'), nullable=False, comment='When'),
    sa.ForeignKeyConstraint(['rule'], ['rule.name'], name=op.f('rule_state_rule_fkey'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('rule', name=op.f('rule_state_pkey')),
    comment='Whether each rule can be read; if not, where and why.'
    )
    op.create_table('notice',
    sa.Column('id', sa.BigInteger(), sa.Identity(always=False), nullable=False, comment='Order'),
    sa.Column('channel', sa.Text(), nullable=False, comment='Channel'),
    sa.Column('key', sa.Text(), nullable=False, comment='What it tells of; once for each channel'),
    sa.Column('match_id', sa.BigInteger(), nullable=True, comment='The match it tells of'),
    sa.Column('content', postgresql.JSONB(none_as_null=True, astext_type=Text()), nullable=True, comment='What it says when it tells of no match: title, text'),
    sa.Column('state', sa.Text(), server_default=sa.text("'waiting'"), nullable=False, comment='waiting | sending | sent | dead'),
    sa.Column('attempts', sa.Integer(), server_default=sa.text('0'), nullable=False, comment='Times it was handed over'),
    sa.Column('not_before', sa.DateTime(timezone=True), server_default=sa.text('clock_timestamp()'), nullable=False, comment='Not sent earlier'),
    sa.Column('message_id', sa.Uuid(), nullable=True, comment='Message it is, or was last, part of'),
    sa.Column('answer', sa.Text(), nullable=True, comment='What the server said last'),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('clock_timestamp()'), nullable=False, comment='Written'),
    sa.Column('sent_at', sa.DateTime(timezone=True), nullable=True, comment='When the server took it'),
    sa.CheckConstraint("state in ('waiting', 'sending', 'sent', 'dead')", name='state: waiting, sending, sent, dead'),
    sa.ForeignKeyConstraint(['channel'], ['channel.name'], name=op.f('notice_channel_fkey'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['match_id'], ['match.id'], name=op.f('notice_match_id_fkey'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('notice_pkey')),
    sa.UniqueConstraint('channel', 'key', name=op.f('notice_channel_key_key')),
    comment='The outbox: what people are to be told, one row a channel.'
    )
    op.create_index('notice_by_match', 'notice', ['match_id'], unique=False)
    op.create_index('notice_by_time', 'notice', ['channel', 'sent_at'], unique=False)
    op.create_index('notice_open', 'notice', ['channel', 'id'], unique=False, postgresql_where=sa.text("state in ('waiting', 'sending')"))
    op.drop_constraint("base_url must begin with https:// or http://", "upstream", type_="check")
    op.create_check_constraint("base_url must begin with http(s):// or smtp(s)://", "upstream", BASE_URL)
    op.execute("insert into upstream (name, base_url, concurrency, note) values ('discord', 'https://discord.com', 2,"
               " 'Webhooks of channels; the path with its token is in the environment') on conflict do nothing")
    op.execute("insert into quota (upstream, per, calls, note) values ('discord', '2 seconds', 5,"
               " 'A webhook takes five in two seconds') on conflict do nothing")
    op.execute("insert into global_filter default values")
    load_sql("rule_edited")
    add_schedules()


def add_schedules() -> None:
    """Their kinds are described by the migrate step right after."""
    bind = op.get_bind()
    op.execute("alter table schedule disable trigger schedule_check")
    for name, title, task, every, overlap in SCHEDULES:
        bind.execute(
            sa.text("insert into task_kind (name, description, options_schema, queue)"
                    " values (:task, :task, '{}', 'notices') on conflict do nothing"),
            {"task": task},
        )
        bind.execute(
            sa.text("insert into schedule (name, title, task, every, overlap) values"
                    " (:name, :title, :task, cast(:every as text)::interval, :overlap) on conflict do nothing"),
            {"name": name, "title": title, "task": task, "every": every, "overlap": overlap},
        )
    op.execute("alter table schedule enable trigger schedule_check")


def downgrade() -> None:
    for view in ("notice_log", "rule_status"):
        op.execute(f"drop view {view}")
    op.execute("delete from schedule where task like 'tasks.watches.%'")
    for table in ("notice", "rule_state", "match", "channel", "rule", "global_filter"):
        op.drop_table(table)
    op.execute("delete from upstream where name = 'discord' or base_url like 'smtp%'")
    op.drop_constraint("base_url must begin with http(s):// or smtp(s)://", "upstream", type_="check")
    op.create_check_constraint("base_url must begin with https:// or http://", "upstream", "base_url ~ '^https?://[^/]'")
    for function in ("rule_edited", "rule_to_check"):
        op.execute(f"drop function {function}()")
