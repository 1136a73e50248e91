"""Each safety rule that chaos breaks on purpose can still be broken where it stands in the code."""

from __future__ import annotations

import subprocess
import sys

CODE = """
from tests.support.chaos.broken_rules import RULES, break_rule
for rule in RULES:
    break_rule(rule)
"""


def test_every_safety_rule_is_where_chaos_breaks_it() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
