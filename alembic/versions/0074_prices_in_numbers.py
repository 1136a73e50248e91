"""Prices are numbers, intervals of followed symbols end; what a batch left when it failed has an outcome too."""

import sqlalchemy as sa
from alembic import op

from workers.migrate import load_sql

revision = "0074"
down_revision = "0073"

NUMBERS = (
    ("price_bar", "prices must be numbers", "greatest(open, high, low, close) < 'Infinity'"),
    ("quote", "prices must be numbers", "greatest(price, previous_close) < 'Infinity'"),
    ("transaction", "price must be a number", "price < 'Infinity'"),
    ("transaction", "quantity must be a number", "quantity < 'Infinity' and quantity > '-Infinity'"),
    ("watchlist_item", "refresh_every is at most 31 days, e.g. 5 minutes", "refresh_every <= interval '31 days'"),
)
MARKETS = (
    ("XFRA", "Frankfurt Stock Exchange", "Europe/Berlin"),
    ("XSHG", "Shanghai Stock Exchange", "Asia/Shanghai"),
)


def upgrade() -> None:
    # What is no number says nothing; it is fetched again, or was entered by mistake.
    op.execute("delete from price_bar where greatest(open, high, low, close) = 'NaN'")
    op.execute("delete from quote where greatest(price, previous_close) = 'NaN'")
    op.execute("delete from transaction where price = 'NaN' or quantity in ('NaN', 'Infinity', '-Infinity')")
    op.execute("update watchlist_item set refresh_every = interval '31 days' where refresh_every > interval '31 days'")
    for table, name, rule in NUMBERS:
        op.create_check_constraint(name, table, rule)
    for mic, title, timezone in MARKETS:
        op.get_bind().execute(
            sa.text("insert into market (mic, title, timezone) values (:mic, :title, :timezone) on conflict do nothing"),
            {"mic": mic, "title": title, "timezone": timezone},
        )
    load_sql("recent_price_outcomes")


def downgrade() -> None:
    for table, name, _ in NUMBERS:
        op.drop_constraint(name, table, type_="check")
    for mic, _, _ in MARKETS:
        op.get_bind().execute(sa.text("delete from market where mic = :mic"), {"mic": mic})
