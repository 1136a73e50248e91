"""Tools of the machine that some tests need."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager

import pytest


def need(found: object, tool: str) -> None:
    """Skip a test whose tool this machine lacks; in CI, which has every tool, fail it."""
    if found:
        return
    if os.environ.get("CI") == "true":
        pytest.fail(f"CI must have {tool}: what this test shows was not tested")
    pytest.skip(f"needs {tool}")


@contextmanager
def open_files(number: int) -> Iterator[None]:
    """This process may open so many: a person's shell begins with 1,024, and the server of a test needs more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    need(hard >= number, f"a limit of {number} open files (ulimit -Hn)")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, number), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
