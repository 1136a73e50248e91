"""What a new installation begins with: upstreams, quotas, markets, Head-Fi, schedules.

Inserted once; no later migration overwrites what people have edited.
"""

import json

import sqlalchemy as sa
from alembic import op

from tasks.listings.head_fi import SELECTORS as HEAD_FI

revision = "0007"
down_revision = "0006"

UPSTREAMS = (
    # name, base_url, concurrency, spacing, obey_robots, note
    ("dexscreener", "https://api.dexscreener.com", 4, "0", False, "No key; 60 feed and 300 pair calls a minute"),
    ("geckoterminal", "https://api.geckoterminal.com", 2, "0", False, "No key; 30 calls a minute by its documentation"),
    ("alpha_vantage", "https://www.alphavantage.co", 1, "1 second", False, "Needs WATCHKEEPER_ALPHA_VANTAGE_API_KEY"),
    ("stooq", "https://stooq.com", 1, "1 second", False, "No key and no promise; used when a schedule names it"),
    ("head_fi", "https://www.head-fi.org", 1, "2 seconds", True, "A web site: one page at a time, robots.txt obeyed"),
)
QUOTAS = (
    ("dexscreener", "1 minute", 60, "The feeds' limit holds for all calls here: 300 are allowed for pairs"),
    ("geckoterminal", "1 minute", 30, "Documented limit per address"),
    ("alpha_vantage", "1 day", 25, "A free key; older keys had 5 a minute and 500 a day"),
    ("stooq", "1 day", 200, "Ours: its own daily limit is not documented"),
    ("head_fi", "1 minute", 20, "Ours: no more than a person turns pages"),
)
MARKETS = (
    ("XNYS", "New York Stock Exchange", "America/New_York"),
    ("XLON", "London Stock Exchange", "Europe/London"),
    ("XTSE", "Toronto Stock Exchange", "America/Toronto"),
    ("XETR", "Xetra, Frankfurt", "Europe/Berlin"),
    ("XPAR", "Euronext Paris", "Europe/Paris"),
    ("XBOM", "BSE, Mumbai", "Asia/Kolkata"),
    ("XTKS", "Tokyo Stock Exchange", "Asia/Tokyo"),
    ("XHKG", "Hong Kong Stock Exchange", "Asia/Hong_Kong"),
    ("XASX", "Australian Securities Exchange, Sydney", "Australia/Sydney"),
)
CATEGORIES = (
    # external id, slug, title, parent, scraped: the ten leaves
    (1, "headphones-for-sale-trade", "Headphones", None, False),
    (2, "full-size", "Full-size headphones", 1, True),
    (3, "in-ear-monitors", "In-ear monitors", 1, True),
    (4, "amplification-for-sale-trade", "Amplification", None, False),
    (5, "desktop", "Desktop amplifiers", 4, True),
    (6, "portable", "Portable amplifiers", 4, True),
    (7, "source-components-for-sale-trade", "Source components", None, False),
    (8, "dacs", "DACs", 7, True),
    (9, "dac-amps", "DAC/Amps", 7, True),
    (10, "daps", "DAPs", 7, True),
    (11, "cd-players", "CD players", 7, True),
    (12, "cables-speakers-accessories-for-sale-trade", "Cables, speakers, accessories", None, True),
    (13, "media-for-sale-trade", "Media", None, True),
)
WATCHLIST = (("AAPL", 100), ("GOOGL", 100), ("MSFT", 100), ("AMZN", 100), ("TSLA", 90), ("NVDA", 90), ("META", 90))


def upgrade() -> None:
    bind = op.get_bind()
    for row in UPSTREAMS:
        bind.execute(
            sa.text("insert into upstream (name, base_url, concurrency, spacing, obey_robots, note)"
                    " values (:a, :b, :c, cast(:d as text)::interval, :e, :f)"),
            dict(zip("abcdef", row, strict=True)),
        )
    for row in QUOTAS:
        bind.execute(
            sa.text("insert into quota (upstream, per, calls, note) values (:a, cast(:b as text)::interval, :c, :d)"),
            dict(zip("abcd", row, strict=True)),
        )
    for row in MARKETS:
        bind.execute(
            sa.text("insert into market (mic, title, timezone) values (:a, :b, :c)"), dict(zip("abc", row, strict=True))
        )
    bind.execute(
        sa.text("insert into site (name, upstream, title, selectors, note) values ('head_fi', 'head_fi',"
                " 'Head-Fi classifieds', cast(:selectors as jsonb), 'Built in; selectors as two public bots know them')"),
        {"selectors": json.dumps(HEAD_FI)},
    )
    for external_id, slug, title, parent, scraped in CATEGORIES:
        bind.execute(
            sa.text("insert into category (site, external_id, slug, title, path, scraped, parent_id) values"
                    " ('head_fi', :id, :slug, :title, :path, :scraped,"
                    " (select id from category where site = 'head_fi' and external_id = :parent))"),
            {
                "id": str(external_id), "slug": slug, "title": title, "scraped": scraped,
                "path": f"/classifieds/categories/{slug}.{external_id}/",
                "parent": str(parent) if parent else None,
            },
        )
    for symbol, priority in WATCHLIST:
        bind.execute(
            sa.text("insert into watchlist_item (symbol, priority) values (:s, :p)"), {"s": symbol, "p": priority}
        )
    insert_schedules()


#: name, title, task, every, cron, timezone, enabled, note
SCHEDULES = (
    ("surveillance", "Token surveillance", "tasks.discovery.surveil", "4 hours", None, True, None),
    ("discovery", "Token discovery", "tasks.discovery.discover", "6 hours", None, True, None),
    ("prices-nightly", "Closing prices", "tasks.prices.refresh", None, "0 0 * * *", True, None),
    ("prices-intraday", "Prices while the market is open", "tasks.prices.refresh", "15 minutes", None, False,
     "Disabled: a free Alpha Vantage key has 25 calls a day; enable it with a larger quota"),
    ("listing-scrape", "Head-Fi classifieds", "tasks.listings.scrape", "5 minutes", None, False,
     "Disabled: set WATCHKEEPER_USER_AGENT to your contact first, and read the site's terms"),
    ("market-sessions", "Trading calendars, two years ahead", "tasks.upkeep.sessions", "1 day", None, True, None),
    ("retention", "Deletes what is old", "tasks.upkeep.retention", None, "40 3 * * *", True, None),
)


def insert_schedules() -> None:
    """The schedules of a new installation; their kinds are described by the migrate step right after."""
    bind = op.get_bind()
    op.execute("alter table schedule disable trigger schedule_check")
    for name, title, task, every, cron, enabled, note in SCHEDULES:
        bind.execute(
            sa.text("insert into task_kind (name, description, options_schema, queue)"
                    " values (:task, :task, '{}', split_part(:task, '.', 2)) on conflict do nothing"),
            {"task": task},
        )
        bind.execute(
            sa.text("insert into schedule (name, title, task, every, cron, enabled, note) values"
                    " (:name, :title, :task, cast(:every as text)::interval, :cron, :enabled, :note)"),
            {"name": name, "title": title, "task": task, "every": every, "cron": cron, "enabled": enabled, "note": note},
        )
    op.execute("alter table schedule enable trigger schedule_check")


def downgrade() -> None:
    op.execute("delete from schedule")
    op.execute("delete from task_kind")
    for table in ("watchlist_item", "category", "site", "market_session", "market", "quota", "upstream"):
        op.execute(f"delete from {table}")
