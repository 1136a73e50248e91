"""What the system does: one folder a domain; importing this registers every task."""

from importlib import import_module
from pkgutil import walk_packages

for module in walk_packages(__path__, f"{__name__}."):
    if not module.name.endswith(".commands"):
        import_module(module.name)
