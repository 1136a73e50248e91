"""Each line of curl in docs/parity.md works against a running console."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

from tests.support.console import Console
from tests.support.tools import need

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
