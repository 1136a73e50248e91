"""squawk finds no dangerous statement in the revisions after the initial one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent


def squawk(statements: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [BIN / "squawk"], cwd=ROOT, input=statements, capture_output=True, text=True, check=False
    )


def test_later_revisions_take_no_long_lock_and_break_no_running_version() -> None:
    printed = subprocess.run(
        [BIN / "alembic", "upgrade", "initial:head", "--sql"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    # Alembic prints the transaction that the migrate step holds.
    lines = [line for line in printed.stdout.splitlines() if line not in {"BEGIN;", "COMMIT;"}]

    found = squawk("\n".join(lines))

    assert found.returncode == 0, found.stdout + found.stderr


def test_a_dangerous_revision_is_refused_unless_its_text_says_that_it_is_meant() -> None:
    drop = "alter table run drop column note;\n"

    assert "ban-drop-column" in squawk(drop).stdout
    assert squawk("-- squawk-ignore ban-drop-column\n" + drop).returncode == 0
