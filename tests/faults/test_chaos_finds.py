"""Without one safety rule of the design chaos breaks a promise, and sees it."""

from __future__ import annotations

import json

import pytest
from chaos_breaking import RULES
from test_chaos import chaos

#: A quarter of an hour of the whole machine: `make chaos` runs it, alone.
pytestmark = pytest.mark.chaos


@pytest.mark.timeout(900)
@pytest.mark.parametrize("rule", sorted(RULES))
def test_chaos_finds_the_rule_that_is_broken(rule: str) -> None:
    summary = chaos("--minutes", "10", "--seed", "3", "--break", rule, within=880)

    assert summary["chaos"] == "broken", json.dumps(summary, indent=1)
