"""What happens to the fourth watch in a running system; prints what it saw as JSON.

Runs under ``python -m sandbox exec --with beat,worker,console`` with this folder on PYTHONPATH.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx2
import psycopg
from psycopg.rows import dict_row

TIMEOUT = 60.0


def blocks(page: str, language: str) -> list[str]:
    """Code blocks of a Markdown page."""
    return [part.partition("```")[0] for part in page.split(f"```{language}\n")[1:]]


class Journey:
    """An operator's session, and what it saw."""

    def __init__(self, operator: psycopg.Connection[dict[str, Any]]) -> None:
        self.operator = operator
        self.seen: dict[str, Any] = {}

    def rows(self, query: str) -> list[dict[str, Any]]:
        return self.operator.execute(query.encode()).fetchall()

    def until(self, query: str) -> list[dict[str, Any]]:
        """Rows of a query as soon as there are any."""
        deadline = time.monotonic() + TIMEOUT
        while not (found := self.rows(query)):
            if time.monotonic() > deadline:
                raise TimeoutError(query)
            time.sleep(0.2)  # noqa: TID251 - a process of its own, without fixtures
        return found

    def refused(self, statement: str) -> tuple[str, str | None]:
        """Message and hint of a statement that is refused."""
        try:
            self.operator.execute(statement.encode())
        except psycopg.Error as error:
            return str(error.diag.message_primary), error.diag.message_hint
        raise AssertionError(f"was not refused: {statement}")

    def command(self, *words: str) -> Any:
        """What a ``celery`` command prints as JSON."""
        done = subprocess.run(
            ["celery", "-A", "workers.app", "-q", *words, "--json"], capture_output=True, text=True
        )
        if not done.stdout:
            raise AssertionError(done.stderr)
        return json.loads(done.stdout)

    def pages(self, *paths: str) -> list[str]:
        """Pages of the console, as somebody sees them who is logged in."""
        link = os.environ["WATCHKEEPER_SANDBOX_CONSOLE"]
        with httpx2.Client(headers={"sec-fetch-site": "same-origin"}, timeout=30) as browser:
            browser.post(link)
            return [browser.get(urljoin(link, path)).raise_for_status().text for path in paths]


def main(page: str) -> dict[str, Any]:
    with psycopg.connect("", autocommit=True, row_factory=dict_row) as operator:
        journey = Journey(operator)
        seen = journey.seen
        seen["kind"] = journey.rows(
            "select queue, upstream from task_kind where name = 'tasks.jobs.scrape'"
        )
        seen["refused"] = [
            journey.refused(
                "insert into schedule (name, task, every, options)"
                """ values ('x', 'tasks.jobs.scrape', '1 hour', '{"max_pagse": 3}')"""
            ),
            journey.refused(
                "insert into rule (name, subject, expression) values ('x', 'jobb', 'salary > 1')"
            ),
            journey.refused("delete from job_posting"),
        ]
        for statement in blocks(page, "sql"):
            operator.execute(statement.encode())
        seen["wrong"] = journey.until(
            "select name, wrong_at, hint from rule_status where state like 'wrong%'"
        )
        seen["run"] = journey.until(
            "select state, result ->> 'summary' as summary, result -> 'counts' as counts from run"
            " where task = 'tasks.jobs.scrape' and state not in ('due', 'running') order by created_at limit 1"
        )
        seen["sent"] = journey.until("select what, rule, state from notice_log where state = 'sent'")
        seen["found"] = journey.command("watch", "found", "job")
        seen["tested"] = journey.command("watch", "test", "salary > 100000", "--subject", "job")
        # Pages of a board are read side by side: which ad comes first is not known before.
        (best,) = journey.rows("select id from job_posting where title = 'Database engineer'")
        seen["explained"] = journey.command("watch", "explain", "good-jobs", str(best["id"]))
        seen["companies"] = journey.command("watch", "jobs", "companies")
        seen["pages"] = journey.pages(
            "/watches",
            "/watches/job-postings",
            "/watches/job-postings?q=python",
            f"/watches/job-postings/{best['id']}",
        )
        operator.execute("update schedule set enabled = false where name = 'jobs'")
        journey.until("select from (select count(*) from run where state in ('due', 'running')"
                      " and task = 'tasks.jobs.scrape') open where count = 0")  # fmt: skip
        with psycopg.connect(os.environ["WATCHKEEPER_DATABASE_URL"], autocommit=True) as service:
            service.execute("update job_posting set last_seen_at = now() - interval '100 days'")
        operator.execute("select run_now('retention')")
        seen["forgotten"] = journey.until(
            "select result ->> 'summary' as summary from run where task = 'tasks.upkeep.retention'"
            " and state = 'succeeded'"
        )
        seen["left"] = [
            row["title"] for row in journey.rows("select title from job_posting order by title")
        ]
        return seen


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]).read_text()), default=str))
