"""A Python client, generated from the checked-in OpenAPI document, does what an operator's script does."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.console import Console

pytestmark = pytest.mark.timeout(600)
DOCUMENT = Path(__file__).parents[2] / "docs" / "reference" / "openapi.json"
FUNCTIONS = (
    "schedules.create_schedule", "schedules.list_schedules", "schedules.read_schedule", "schedules.pause",
    "schedules.run_now", "runs.read_request", "schedules.delete_schedule", "overview.read_strip",
)  # fmt: skip


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The client's modules: generated, imported from a folder that goes away."""
    folder = tmp_path_factory.mktemp("client")
    (folder / "config.yml").write_text("post_hooks: []\n")
    command = [sys.executable, "-m", "openapi_python_client", "generate", "--path", str(DOCUMENT), "--meta", "none",
               "--config", str(folder / "config.yml"), "--output-path", str(folder / "watchkeeper_client")]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Warning" not in done.stdout, done.stdout
    sys.path.insert(0, str(folder))
    try:
        found = {
            name.partition(".")[2]: importlib.import_module(f"watchkeeper_client.api.{name}")
            for name in FUNCTIONS
        }
        package = importlib.import_module("watchkeeper_client")
        models = importlib.import_module("watchkeeper_client.models")
        yield SimpleNamespace(client=package.AuthenticatedClient, models=models, **found)
    finally:
        sys.path.remove(str(folder))


def test_the_generated_client_makes_finds_pauses_runs_and_deletes(
    generated: Any, console: Console, connection: Any
) -> None:
    with generated.client(base_url=console.url, token=console.token()) as client:
        body = {
            "name": "mine",
            "task": "tasks.discovery.discover",
            "every": "1 hour",
            "note": "by a script",
        }
        made = generated.create_schedule.sync_detailed(
            client=client, body=generated.models.CreateScheduleBody.from_dict(body)
        )
        assert made.status_code == 201
        found = generated.list_schedules.sync(client=client, q="by a scr", sort="name")
        assert [item["name"] for item in found.items] == ["mine"]

        again = generated.create_schedule.sync(
            client=client, body=generated.models.CreateScheduleBody.from_dict(body)
        )
        assert isinstance(again, generated.models.Problem)
        assert (again.status, again.sqlstate) == (409, "23505")

        generated.pause.sync(name="mine", client=client, body=generated.models.Pause(why="a move"))
        assert generated.read_schedule.sync(name="mine", client=client)["pause_reason"] == "a move"
        asked = [
            generated.run_now.sync(
                name="mine",
                client=client,
                body=generated.models.RunNow(why="now"),
                idempotency_key="one",
            )
            for _ in range(2)
        ]
        assert asked[0].request == asked[1].request
        request = generated.read_request.sync(number=asked[0].request, client=client)
        assert request["new_run_id"] == str(asked[0].run_id)

        gone = generated.delete_schedule.sync_detailed(name="mine", client=client, if_match="*")
        assert gone.status_code == 204
        assert "items" in generated.read_strip.sync(client=client).to_dict()
    assert (
        connection.execute("select count(*) as number from schedule where name = 'mine'").fetchone()[
            "number"
        ]
        == 0
    )
