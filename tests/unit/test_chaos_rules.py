"""Each safety rule that chaos breaks on purpose can still be broken where it stands in the code."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
#: Says what was replaced: the module, the class or nothing, the name.
CODE = """
from tests.support.chaos.broken_rules import RULES, break_rule, replaced
for rule in RULES:
    break_rule(rule)
for owner, name in replaced:
    is_class = isinstance(owner, type)
    print(owner.__module__ if is_class else owner.__name__, owner.__name__ if is_class else "", name)
"""


def test_every_safety_rule_is_where_chaos_breaks_it() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr

    replaced = [line.split(" ") for line in done.stdout.splitlines()]
    assert ["workers.ledger.claimed", "", "check_fence"] in replaced
    # What nothing calls any more would be replaced in vain.
    assert [line for line in replaced if not _is_called(*line)] == []
    assert not _is_called("workers.ledger.claimed", "", "check_nothing")


def _is_called(module: str, owner: str, name: str) -> bool:
    elsewhere = rf"\.{name}\(" if owner else rf"\b{module.rpartition('.')[2]}\.{name}\("
    here = rf"(?<![.\w])(?<!def ){name}[(,]"
    own = ROOT / f"{module.replace('.', '/')}.py"
    files = [path for room in ("workers", "beat") for path in (ROOT / room).rglob("*.py")]
    return any(re.search(elsewhere, path.read_text()) for path in files) or (
        not owner and re.search(here, own.read_text()) is not None
    )
