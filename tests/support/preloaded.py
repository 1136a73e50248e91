"""Importing this imports what a worker and a beat import of ours, but for what tells Celery of tasks.

Nothing of it may read the environment, which is another when the process is forked: see `READ_ANEW`.
"""

from __future__ import annotations

import importlib
import importlib.util
import mmap
import pkgutil
import re
import sys
from pathlib import Path
from typing import Any

#: Packages of which all is imported but what registers tasks, or is no part of a process of Celery.
PACKAGES = ("workers", "beat", "tasks")
ELSEWHERE = {
    "workers.app", "workers.execution.application", "workers.health", "workers.migrate",
    "workers.plain.install", "workers.pool.configuration", "tasks.autoload",
}  # fmt: skip
REGISTERS = re.compile(r"^@(app\.task|shared_task)\b", re.MULTILINE)
#: What read the environment when it was imported.
READ_ANEW = ("workers.ledger.faults",)


def read_anew() -> None:
    """In the forked process: the environment is its own, and so is the memory it shares with its children."""
    shared = [name for name, module in sys.modules.items() if _shares_memory(name, module)]
    for name in (*READ_ANEW, *shared):
        importlib.reload(sys.modules[name])


def _shares_memory(name: str, module: Any) -> bool:
    return name.partition(".")[0] in PACKAGES and any(
        isinstance(value, mmap.mmap) for value in vars(module).values()
    )


def _is_preloaded(module: pkgutil.ModuleInfo) -> bool:
    spec: Any = importlib.util.find_spec(module.name)
    return module.name not in ELSEWHERE and not REGISTERS.search(Path(spec.origin).read_text())


for _package in PACKAGES:
    for _one in pkgutil.walk_packages(importlib.import_module(_package).__path__, f"{_package}."):
        if _is_preloaded(_one):
            importlib.import_module(_one.name)
