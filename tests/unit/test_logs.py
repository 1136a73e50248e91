"""A service that logs JSON writes nothing else, whoever's code wants to."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

LOUD = """
import logging, sys, threading, traceback, warnings
from celery.apps import worker
from workers import logs
logs.configure_service()
print("printed", 1)
print("two\\nlines")
sys.stderr.write("to stderr\\n")
warnings.warn("a warning")
logging.getLogger("somebody").error("logged %s", "here")
try:
    1 / 0
except ZeroDivisionError:
    traceback.print_exc()
thread = threading.Thread(target=lambda: [][1])
thread.start(); thread.join()
worker.safe_say("worker: Warm shutdown (MainProcess)", sys.__stdout__)
logs.configure_service()
print("after a second configuration")
raise ValueError("the end: postgresql://me:hunter2@host/db")
"""


def run(log_format: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "WATCHKEEPER_LOG_FORMAT": log_format}
    return subprocess.run([sys.executable, "-c", LOUD], env=env, capture_output=True, text=True)


@pytest.mark.outside(30)
def test_prints_warnings_tracebacks_and_deaths_are_lines_of_json() -> None:
    done = run("json")
    told: list[dict[str, Any]] = [json.loads(line) for line in done.stderr.splitlines()]

    assert done.stdout == ""
    assert done.returncode == 1
    events = [one["event"] for one in told]
    for said in ("printed", "two\nlines", "to stderr", "logged here", "worker: Warm shutdown (MainProcess)",
                 "after a second configuration"):  # fmt: skip
        assert any(event.startswith(said) for event in events), said
    assert any("a warning" in event for event in events)
    assert any("ZeroDivisionError" in event for event in events)
    crashes = [one for one in told if one["event"] == "process.crashed"]
    assert ["IndexError" in crashes[0]["exception"], "ValueError" in crashes[1]["exception"]] == [
        True,
        True,
    ]
    assert "hunter2" not in done.stderr
    assert all(one.keys() >= {"event", "level", "timestamp", "logger"} for one in told)


def test_for_people_prints_stay_prints() -> None:
    done = run("console")

    assert "printed 1\ntwo\nlines\n" in done.stdout
    assert "Traceback (most recent call last)" in done.stderr
