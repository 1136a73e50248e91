"""The site of docs/ builds without a warning, and asks no other server for anything."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
#: Attributes that make a browser load a file.
LOADED = re.compile(r"""(?:<(?:script|img|iframe)[^>]*\ssrc|<link[^>]*\shref)=["']?(https?:)?//""")


def test_the_site_builds_strictly_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", tmp_path / "site"],
        cwd=ROOT, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True,
    )  # fmt: skip

    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    pages = list((tmp_path / "site").rglob("*.html"))
    assert len(pages) >= 20
    assert [page.name for page in pages if LOADED.search(page.read_text())] == []


def test_the_quickstart_lists_the_schedules_of_a_new_installation(shipped_schedules: list[Any]) -> None:
    page = (ROOT / "docs" / "quickstart.md").read_text()
    listed = dict(re.findall(r"^\| `([a-z-]+)` \| .+ \| (enabled|disabled)", page, re.MULTILINE))

    assert listed == {
        row["name"]: "enabled" if row["enabled"] else "disabled" for row in shipped_schedules
    }
