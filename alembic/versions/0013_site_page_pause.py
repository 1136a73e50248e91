"""A site names the least time between its pages itself; null: two seconds, as before."""

from workers.migrate import run_sql

revision = "site_page_pause"
down_revision = "answers"

UP = """
alter table site add column page_pause interval
    constraint "page_pause is from 0 to 1 hour" check (page_pause between interval '0' and interval '1 hour');
comment on column site.page_pause is 'Least time between two pages where a run names none; null: 2 seconds';
"""

DOWN = """
alter table site drop column page_pause;
"""


def upgrade() -> None:
    run_sql(UP)


def downgrade() -> None:
    run_sql(DOWN)
