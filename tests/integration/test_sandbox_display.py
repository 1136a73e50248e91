"""What the sandbox reads from the database to show it and to decide what it starts."""

from __future__ import annotations

from typing import Any

from sandbox.display import Runs


def test_what_waits_for_a_browser_since_before_gets_one(
    database: Any, new_run: Any, connection: Any
) -> None:
    run = new_run("tests.counting", items=1)
    runs = Runs(lambda: database.admin_url)
    runs.fresh()
    assert runs.undrawn() == []

    # It began while the pages were drawn by scripts; now nothing else wants a browser.
    connection.execute("update batch set queue = 'browser' where run_id = %s", (run,))
    assert runs.undrawn() == ["tests.counting"]
    connection.execute("update batch set state = 'done', send_at = null where run_id = %s", (run,))
    assert runs.undrawn() == []
    runs.close()
