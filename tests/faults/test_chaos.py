"""A minute of chaos holds every promise; without one of its safety rules the system breaks one."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support import pgbouncer
from tests.support.chaos.broken_rules import RULES
from tests.support.tools import need

#: Minutes of the whole machine: `make chaos` and CI run them, alone.
pytestmark = pytest.mark.chaos

CHAOS = Path(__file__).with_name("chaos.py")


def chaos(*options: str, within: float) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, str(CHAOS), *options], capture_output=True, text=True, timeout=within
    )
    assert done.stdout, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.timeout(400)
@pytest.mark.parametrize("slots", [1, 16])
def test_a_minute_of_chaos_breaks_no_promise(slots: int) -> None:
    summary = chaos("--minutes", "1", "--seed", "1", "--slots", str(slots), within=380)

    assert summary["chaos"] == "held", json.dumps(summary, indent=1)
    assert summary["faults"] >= 10
    assert summary["items"] >= 20


#: Whole systems on other servers: what the environment says, and the program that it takes.
SERVERS = {
    "pgbouncer": ({"WATCHKEEPER_TEST_POOLER": "pgbouncer"}, pgbouncer.program()),
    "sentinel": ({"WATCHKEEPER_TEST_SENTINEL": "1"}, True),
    "redis": ({"WATCHKEEPER_TEST_REDIS": "redis-server"}, shutil.which("redis-server")),
}


@pytest.mark.timeout(400)
@pytest.mark.parametrize("servers", SERVERS)
def test_a_minute_of_chaos_breaks_no_promise_with(
    servers: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, found = SERVERS[servers]
    need(found, servers)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    summary = chaos("--minutes", "1", "--seed", "1", within=380)

    assert summary["chaos"] == "held", json.dumps(summary, indent=1)
    assert summary["faults"] >= 10
    assert summary["items"] >= 20


@pytest.mark.timeout(900)
@pytest.mark.parametrize("rule", sorted(RULES))
def test_chaos_finds_the_rule_that_is_broken(rule: str) -> None:
    summary = chaos("--minutes", "10", "--seed", "3", "--break", rule, within=880)

    assert summary["chaos"] == "broken", json.dumps(summary, indent=1)
