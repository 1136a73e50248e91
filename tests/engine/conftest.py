"""The stack on a real engine, once for all tests of this folder, which follow one another."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.engine import Engine


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    if os.environ.get("WATCHKEEPER_ENGINE_TEST") != "1":
        pytest.skip("needs root, Debian and 25 minutes: make engine-test")
    if os.getuid() != 0 or not Path("/etc/debian_version").exists():
        pytest.skip("needs root on Debian: it starts a container engine")
    default = Path(tempfile.gettempdir()) / "watchkeeper-engine"
    folder = Path(os.environ.get("WATCHKEEPER_ENGINE_FOLDER", default))
    folder.mkdir(parents=True, exist_ok=True)
    one = Engine(folder)
    one.script("install.sh", within=1200)
    one.check_out()
    one.build()
    one.compose("down", "-v", "--remove-orphans", okay=False)
    yield one
    one.compose("down", "-v", "--remove-orphans", okay=False)
    one.script("engine.sh", "gone")
    print("\n" + json.dumps(one.figures, indent=1))
