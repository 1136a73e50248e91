"""Each line of curl in docs/parity.md works against a running console, and each earlier page is one of it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.console import Console
from tests.support.tools import need
from tests.support.waiting import wait_for

PAGE = Path(__file__).parents[2] / "docs" / "parity.md"
LINES = re.findall(r"^curl .*$", PAGE.read_text(), re.MULTILINE)


def test_every_line_of_curl_works(console: Console, new_run: Any, connection: Any) -> None:
    need(shutil.which("curl"), "curl")
    for name, task, cron in (
        ("discovery", "tasks.discovery.discover", "0 */6 * * *"),
        ("prices-nightly", "tasks.prices.refresh", "0 0 * * *"),
    ):
        connection.execute(
            "insert into schedule (name, task, cron) values (%s, %s, %s)", (name, task, cron)
        )
    run = str(new_run("tests.counting", schedule="discovery"))
    env = {**os.environ, "CONSOLE": console.url, "TOKEN": console.token(), "RUN": run, "no_proxy": "*"}

    assert len(LINES) == 16
    for line in LINES:
        done = subprocess.run(["sh", "-c", line], env=env, capture_output=True, text=True)
        assert done.returncode == 0, (line, done.stdout, done.stderr)


def test_every_earlier_endpoint_has_its_row() -> None:
    rows = re.findall(r"^\| ([\w, ]+) \| `(?:GET|POST|PATCH|DELETE) /", PAGE.read_text(), re.MULTILINE)

    assert len(rows) == 16


#: Earlier page → where it is now, and what stands there.
PAGES = {
    'status bar "Discovery: 2h ago (next: 2h)"': {"/changes": ["Discovery: ", ">3h ago<", "(next: "]},
    "configuration page": {
        "/schedules/discovery": ["Min price change pct", 'value="6 hours"', "Enabled"]
    },
    "dashboard: overview, listings, rules, notifications, analytics": {
        "/": ["Next", "discovery"],
        "/watches/listings": ["Listings"],
        "/tables/rule": ["cheap", "price &lt; 3"],
        "/outbox": ["waiting"],
    },
    "page with a table of jobs": {"/schedules": ["discovery", "every 6 hours"]},
}


@pytest.mark.parametrize("earlier", PAGES)
def test_an_earlier_page_is_a_page_of_the_console(
    console: Console, connection: Any, earlier: str
) -> None:
    (row,) = [line for line in PAGE.read_text().splitlines() if line.startswith(f"| {earlier} |")]
    connection.execute("insert into rule (name, expression) values ('cheap', 'price < 3')")
    connection.execute(
        "insert into schedule (name, title, task, every)"
        " values ('discovery', 'Discovery', 'tasks.discovery.discover', '6 hours')"
    )
    connection.execute(
        "insert into schedule_state (schedule, last_run_at, next_run_at) values"
        " ('discovery', now() - interval '3 hours 10 s', now() + interval '3 hours')"
        " on conflict (schedule) do update set last_run_at = excluded.last_run_at, next_run_at = excluded.next_run_at"
    )
    browser = console.as_("viewer")

    for address, words in PAGES[earlier].items():
        # The strip may be a second old.
        wait_for(lambda: shows(browser.get(address), words))  # noqa: B023
        assert f"`{address}`" in row or address == "/changes"


def shows(page: Any, words: list[str]) -> bool:
    return page.status_code == 200 and all(word in page.text for word in words)
