"""The network between a process and Postgres breaks: it is useless, and its health check says so."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes import QUICK
from workers.health import MAX_AGE, problem_of


@pytest.mark.parametrize("how", ["cut", "freeze"])
@pytest.mark.parametrize("what", ["worker", "beat"])
def test_without_postgres_no_sign_of_use_is_given(
    celery_process: Any, eventually: Any, proxy: Any, postgres_server: Any, database: Any,
    tmp_path: Path, what: str, how: str,
) -> None:  # fmt: skip
    between = proxy(postgres_server.port)
    url = database.url.replace(f":{postgres_server.port}/", f":{between.port}/")
    folder = tmp_path / "signs"
    options = ("-Q", "upkeep", "-c", "1") if what == "worker" else ()
    process = celery_process(
        what, *options, **QUICK, WATCHKEEPER_DATABASE_URL=url, WATCHKEEPER_HEARTBEAT_DIR=str(folder)
    )

    def complaint() -> str | None:
        """The problem_of a moment before it would be that of the health check."""
        return problem_of(folder, time.time() + MAX_AGE - 12)

    eventually(lambda: complaint() is None, within=60)
    getattr(between, how)()
    eventually(complaint, within=30)
    between.mend()
    eventually(lambda: complaint() is None, within=60)
    assert process.running
