"""Tools of the machine that some tests need."""

from __future__ import annotations

import os

import pytest


def need(found: object, tool: str) -> None:
    """Skip a test whose tool this machine lacks; in CI, which has every tool, fail it."""
    if found:
        return
    if os.environ.get("CI") == "true":
        pytest.fail(f"CI must have {tool}: what this test shows was not tested")
    pytest.skip(f"needs {tool}")
