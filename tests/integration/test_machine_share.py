"""Tests beside each other hold no more units of the machine than there are."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support.machine_share import UNITS, Units

HOLDER = """
import sys
from pathlib import Path
from tests.support.machine_share import Units
with Units(Path(sys.argv[1])).held(int(sys.argv[2])):
    print("held", flush=True)
    sys.stdin.read()
"""
ROOT = Path(__file__).parents[2]


def holder(path: Path, number: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path), str(number)],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_who_asks_for_more_than_is_free_waits_until_others_end_however_they_end(tmp_path: Path) -> None:
    path = tmp_path / "units"
    first, second = holder(path, UNITS - 1), holder(path, 1)
    for one in (first, second):
        assert one.stdout is not None
        assert one.stdout.readline() == "held\n"
    third = holder(path, 2)
    second.communicate()
    assert third.poll() is None
    first.kill()
    first.communicate()

    assert third.stdout is not None
    assert third.stdout.readline() == "held\n"
    with Units(path).held(UNITS - 2):
        third.communicate()
    with Units(path).held(UNITS):
        pass
