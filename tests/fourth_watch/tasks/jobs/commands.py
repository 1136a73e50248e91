"""`watchkeeper watch jobs …`: postings and the companies that are left out."""

from __future__ import annotations

import click

from workers.execution import cli


@click.group(cls=cli.Group)
def jobs() -> None:
    """Job postings of the board."""


@jobs.command("companies")
@cli.as_json
def companies() -> None:
    """How many postings each company has, and which companies are left out."""
    from sqlalchemy import text

    query = text("""
        select company, count(p.id) as postings, max(p.salary) as top_salary, i.company is not null as ignored
          from job_posting p full join ignored_company i using (company) group by company, i.company order by 1
    """)
    with cli.database() as connection:
        rows = [dict(row) for row in connection.execute(query).mappings()]
    cli.show(rows, ("company", "postings", "top_salary", "ignored"))
