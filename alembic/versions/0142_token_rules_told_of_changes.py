"""How each rule stands to each token, so that it is told of changes; boosts keep their amounts."""

from alembic import op

revision = "0142"
down_revision = "0130"

COMMENTS = {
    "table token_rule": "How each rule stands to each token: what it was told, and what it compares with.",
    "column token_rule.rule": "Rule",
    "column token_rule.token_id": "Token",
    "column token_rule.fits": "Whether the rule fitted at the last look",
    "column token_rule.reference_price": "Highest price (USD) since a drop was told last: drops are counted from it",
    "column token_rule.told": "How often it fitted anew",
    "column token.boost_amount": "Boosts of the newest purchase that a feed named",
    "column token.boost_total": "Boosts active in all, as a feed named them",
}


def upgrade() -> None:
    op.execute("alter table token add column boost_amount integer, add column boost_total integer")
    op.execute(
        "create table token_rule ("
        "rule text not null references rule (name) on delete cascade,"
        " token_id bigint not null references token (id) on delete cascade,"
        " fits boolean not null, reference_price numeric, told integer not null default 0,"
        " primary key (rule, token_id))"
    )
    op.execute("create index token_rule_by_token on token_rule (token_id)")
    for what, words in COMMENTS.items():
        op.execute(f"comment on {what} is '{words}'")


def downgrade() -> None:
    op.execute("drop table token_rule")
    op.execute("alter table token drop column boost_amount, drop column boost_total")
