"""Job postings: fields, tables, retention, command and imitation of this watch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tasks.jobs.job_postings import age_hours
from tasks.watches.deletes import points_to, rows
from tasks.watches.watch import NUMBER, REGIONS, Days, Field, Imitation, Seed, Watch

_ROWS = """
select p.*, clock_timestamp() as now from job_posting p
 where (cast(:span as interval) is null or p.last_seen_at > clock_timestamp() - cast(:span as interval))
   and (cast(:key as text) is null or p.id = cast(:key as bigint))
 order by p.id desc
"""
_UNSEEN = f"last_seen_at < :before and not {points_to('job', 'job_posting.id')}"


def fields_of(row: Any) -> dict[str, Any]:
    """Fields of a posting's row."""
    return {
        "title": row.title,
        "company": row.company,
        "locations": row.locations or None,
        "salary": row.salary,
        "url": row.url,
        "age_hours": age_hours(row.first_seen_at, row.now),
    }


WATCH = Watch(
    subject="job",
    plural="job postings",
    queue="jobs",
    fields={
        "title": Field(),
        "company": Field(label="Company"),
        "locations": Field(REGIONS, "Where", aliases=("location",)),
        "salary": Field(NUMBER, "Salary", minimum=0),
        "url": Field(),
        "age_hours": Field(NUMBER, minimum=0),
    },
    rows=_ROWS,
    fields_of=fields_of,
    title_of=lambda row: f"{row.title} at {row.company}",
    columns=("company", "salary"),
    digest="new job postings",
    tables={"ignored_company": "insert update delete"},
    days={"job_days": Days(90, "Job postings not seen since")},
    retention={"jobs": ("job_days", rows("job_posting", "id", _UNSEEN, "last_seen_at"))},
    commands={"jobs": "tasks.jobs.commands:jobs"},
    imitations=(Imitation("job_board", "job_board", 18088),),
    seeds=(Seed("jobs-demo", "Job postings", "tasks.jobs.scrape", every="20 seconds"),),
    revisions=Path(__file__).parent / "revisions",
)
