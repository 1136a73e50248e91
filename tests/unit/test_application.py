"""What the application loads, and when."""

from __future__ import annotations

import subprocess
import sys

#: As Flower does in its command: then somebody calls a task there.
FLOWER = """
import sys
import click
from workers.app import app
with click.Context(click.Command("flower"), info_name="flower"):
    app.loader.import_default_modules()
app.finalize()
print(*(name for name in ("sqlalchemy", "psycopg", "tasks.prices.refresh") if name in sys.modules))
print(app.tasks["tasks.prices.refresh"].name, "tasks.listings.scrape" in app.tasks)
try:
    app.tasks["tasks.unknown"]
except KeyError as error:
    print(type(error).__name__)
"""


def test_flower_loads_no_task_and_no_database_until_a_task_is_called_there() -> None:
    said = subprocess.run([sys.executable, "-c", FLOWER], capture_output=True, text=True, check=True)

    assert said.stdout.splitlines() == ["", "tasks.prices.refresh True", "NotRegistered"]
