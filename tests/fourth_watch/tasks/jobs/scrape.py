"""`tasks.jobs.scrape`: postings of the job board, page by page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from pydantic import Field
from sqlalchemy import Connection

from tasks.jobs import board, job_postings
from tasks.jobs.watch import WATCH, fields_of
from tasks.watches import matching
from tasks.watches.matching import NEW, Found
from workers.execution import Item, Work, app
from workers.ledger import Options


class ScrapeOptions(Options):
    """How much of the board is read."""

    max_pages: int = Field(2, ge=1, le=20, description="Pages read in a run")


def plan(work: Work[ScrapeOptions]) -> Iterable[Item]:
    """One item a page."""
    return [Item(str(page)) for page in range(1, work.options.max_pages + 1)]


def summary(counts: Mapping[str, int]) -> str:
    """Counts as in: 12 found, 3 new."""
    return f"{counts.get('found', 0)} found, {counts.get('new', 0)} new"


@app.task(
    name=__name__,
    options=ScrapeOptions,
    plan=plan,
    summary=summary,
    queue=WATCH.queue,
    upstream=board.UPSTREAM,
    min_every=timedelta(minutes=5),
)
def scrape(work: Work[ScrapeOptions]) -> None:
    """Read the newest postings of the job board."""
    for item in work.items():
        with work.attempt(item):
            postings = board.fetch(work.client, int(item.key))
            # One transaction: the rows, their matches and notices, and that the item is done.
            with work.done(item) as connection:
                ignored = job_postings.ignored(connection)
                kept = [one for one in postings if one.company not in ignored]
                new = job_postings.save(connection, kept)
                found, notices = judge(connection, work, new)
                work.count(found=len(kept), new=len(new), matches=found, notices=notices)


def judge(connection: Connection, work: Work[Any], new: list[int]) -> tuple[int, int]:
    """Ask the rules about new postings; how many matches and notices that made."""
    found = [
        Found(
            subject_id=str(row.id),
            occasion=NEW,
            occasion_key="new",
            title=WATCH.title_of(row),
            fields=fields_of(row),
            url=row.url,
        )
        for row in job_postings.find(connection, new)
    ]
    return matching.judge(connection, work.run_id, WATCH, found)
