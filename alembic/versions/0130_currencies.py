"""A rule has a currency; an ad keeps its price as it is written."""

from alembic import op

revision = "0130"
down_revision = "0111"

UPGRADE = """
alter table listing add column price_text text;
comment on column listing.price_text is 'The price as the ad writes it, where its currency is not known';
comment on column listing.currency is 'Currency (ISO 4217); null beside a price: one that is not known';
alter table rule add column currency text,
    add constraint "currency: three capitals such as EUR, or null (the site's)" check (currency ~ '^[A-Z]{3}$'),
    add constraint "currency: only rules on listings have one" check (currency is null or subject = 'listing');
comment on column rule.currency is 'Currency (ISO 4217) of the prices it compares; null: the site''s own'
"""


def upgrade() -> None:
    for statement in UPGRADE.split(";\n"):
        op.execute(statement)


def downgrade() -> None:
    op.drop_column("rule", "currency")
    op.drop_column("listing", "price_text")
