"""squawk finds no dangerous statement in the revisions after the initial one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent


def test_later_revisions_take_no_long_lock_and_break_no_running_version() -> None:
    printed = subprocess.run(
        [BIN / "alembic", "upgrade", "initial:head", "--sql"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    # Alembic prints the transaction that the migrate step holds.
    lines = [line for line in printed.stdout.splitlines() if line not in {"BEGIN;", "COMMIT;"}]
    if not any(lines):
        return

    found = subprocess.run(
        [BIN / "squawk"],
        cwd=ROOT, input="\n".join(lines), capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert found.returncode == 0, found.stdout + found.stderr
