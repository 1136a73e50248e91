"""Imitates the job board: three pages of postings as JSON."""

from __future__ import annotations

from sandbox.upstreams.base import Reply, Request, Site, as_json

_JOBS = [
    ("Database engineer", "Acme", ["Berlin", "Remote"], 90_000),
    ("Python developer", "Acme", ["Remote"], 80_000),
    ("Gardener", "Green Ltd", ["Leeds"], None),
    ("Postgres consultant", "Elephant GmbH", ["Vienna"], 110_000),
    ("Intern", "Dull & Co", ["Paris"], 12_000),
    ("Accountant", "Green Ltd", [], 45_000),
]
PAGE = 2


def respond(request: Request) -> Reply:
    """Answer one call."""
    if request.path != "/jobs.json":
        return 404, {}, b"there is /jobs.json"
    first = (int(request.query.get("page") or 1) - 1) * PAGE
    rows = [
        {
            "id": number, "title": title, "company": company, "locations": places, "salary": salary,
            "url": f"https://jobs.example.com/{number}",
        }
        for number, (title, company, places, salary) in enumerate(_JOBS, 1)
    ]  # fmt: skip
    return as_json({"jobs": rows[first : first + PAGE]})


SITE = Site("job_board", respond, limits=[(30, 60.0)])
