"""Sites: more CSS is taken, a pattern needs its group, robots.txt is obeyed; a scrape cut short says so."""

from alembic import op

from workers.migrate import load_sql

revision = "0075"
down_revision = "0074"

COMMENTS = (
    ("site.page_path", "Added to a category's path from page 2",
     "Added to a category's path from page 2: page-{page}, or ?page={page}"),
    ("category.path", "Path of its first page",
     "Path of its first page; or with {page} where the number belongs in the middle of it"),
    ("category_state.first_complete_at",
     "End of its first complete scrape; delete the row for another thorough one",
     "End of its first complete scrape; option thorough asks for another such"),
)


def _comment(column: str, words: str) -> None:
    quoted = words.replace("'", "''")
    op.execute(f"comment on column {column} is '{quoted}'")


def upgrade() -> None:
    load_sql("site_check", "scrape_log")
    for column, _, words in COMMENTS:
        _comment(column, words)


def downgrade() -> None:
    """The newest text of what is loaded also serves what was before."""
    for column, words, _ in COMMENTS:
        _comment(column, words)
