"""The job board: fetches a page of its feed, and reads it (pure below)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from workers.errors import BrokenResponse
from workers.upstreams import CallOptions, UpstreamClient

UPSTREAM = "job_board"


@dataclass(frozen=True, slots=True)
class Posting:
    """One posting as the board gives it."""

    external_id: str
    title: str
    company: str
    locations: list[str]
    salary: Decimal | None
    url: str | None


def fetch(client: UpstreamClient, page: int) -> list[Posting]:
    """The postings of one page, the newest first."""
    options = CallOptions(params={"page": str(page)})
    return parse(client.get(UPSTREAM, "/jobs.json", options).json())


def parse(answer: Any) -> list[Posting]:
    """Postings of a page; rows without id, title or company are left out."""
    rows = answer.get("jobs") if isinstance(answer, Mapping) else None
    if not isinstance(rows, list):
        raise BrokenResponse(UPSTREAM, "jobs is not a list")
    return [
        Posting(
            external_id=str(row["id"]),
            title=str(row["title"]),
            company=str(row["company"]),
            locations=[str(place) for place in row.get("locations") or []],
            salary=Decimal(str(row["salary"])) if row.get("salary") else None,
            url=row.get("url"),
        )
        for row in rows
        if isinstance(row, Mapping) and row.get("id") and row.get("title") and row.get("company")
    ]
