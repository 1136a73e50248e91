"""Importing this registers every task: workers and migrations do, beat and the commands need not."""

from importlib import import_module
from pkgutil import walk_packages

import tasks

for module in walk_packages(tasks.__path__, "tasks."):
    if not module.name.endswith("commands"):
        import_module(module.name)
