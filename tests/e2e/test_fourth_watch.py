"""A fourth watch is one folder and one migration: job postings, in a whole system."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "tests" / "fourth_watch"
PAGE = ROOT / "docs" / "adding-a-watch.md"
FILES = sorted(path for path in FOLDER.rglob("*.py") if path.name not in {"__init__.py", "journey.py"})


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_page_shows_the_file(path: Path) -> None:
    assert f"```python\n{path.read_text()}```\n" in PAGE.read_text()


@pytest.fixture(scope="module")
def seen() -> dict[str, Any]:
    """What happened in a system that runs with the folder."""
    done = subprocess.run(
        [sys.executable, "-m", "sandbox", "exec", "--with", "beat,worker,console", "--",
         sys.executable, str(FOLDER / "journey.py"), str(PAGE)],
        cwd=ROOT, env={**os.environ, "PYTHONPATH": str(FOLDER)}, capture_output=True, text=True,
        timeout=170,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_its_task_is_discovered(seen: dict[str, Any]) -> None:
    assert seen["kind"] == [{"queue": "jobs", "upstream": "job_board"}]


def test_mistakes_are_refused_with_hints(seen: dict[str, Any]) -> None:
    (option, option_hint), subject, (table, table_hint) = seen["refused"]

    assert "max_pagse" in option
    assert "max_pages" in (option_hint or "")
    assert subject == ["subject: no watch finds a jobb", "Subjects: job, listing, quote, token"]
    assert table == "an operator cannot delete from job_posting"
    assert "ignored_company" in table_hint
    assert seen["wrong"] == [
        {"name": "misspelt", "wrong_at": " ⟶ salery > 80000", "hint": 'did you mean "salary"?'}
    ]


def test_it_is_scheduled_and_scraped_without_what_people_left_out(seen: dict[str, Any]) -> None:
    (run,) = seen["run"]

    assert (run["state"], run["summary"]) == ("succeeded", "5 found, 5 new")
    assert (run["counts"]["matches"], run["counts"]["notices"]) == (2, 2)
    assert sorted(row["title"] for row in seen["found"]) == [
        "Accountant at Green Ltd",
        "Database engineer at Acme",
        "Gardener at Green Ltd",
        "Postgres consultant at Elephant GmbH",
        "Python developer at Acme",
    ]


def test_its_findings_are_judged_and_told(seen: dict[str, Any]) -> None:
    assert {(row["what"], row["rule"]) for row in seen["sent"]} == {
        ("Database engineer at Acme", "good-jobs"),
        ("Python developer at Acme", "good-jobs"),
    }


def test_commands_know_it(seen: dict[str, Any]) -> None:
    assert [row["title"] for row in seen["tested"]] == ["Postgres consultant at Elephant GmbH"]
    assert [row["fits"] for row in seen["explained"]] == [True, True, True, True]
    companies = {row["company"]: row["ignored"] for row in seen["companies"]}
    assert companies == {"Acme": False, "Dull & Co": True, "Elephant GmbH": False, "Green Ltd": False}


def test_the_console_draws_it_from_its_descriptor(seen: dict[str, Any]) -> None:
    watches, found, searched, one = seen["pages"]

    assert 'href="/watches/job-postings"' in watches
    assert "Database engineer at Acme" in found
    assert "110,000" in found or "110000" in found
    assert "Python developer at Acme" in searched
    assert "Database engineer" not in searched
    assert "Database engineer at Acme" in one
    assert "good-jobs" in one


def test_its_rows_are_forgotten_but_those_of_matches(seen: dict[str, Any]) -> None:
    assert seen["forgotten"] == [{"summary": "3 rows deleted"}]
    assert seen["left"] == ["Database engineer", "Python developer"]
