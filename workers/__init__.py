"""The Celery application and everything a task runs under: the base layer."""

from collections.abc import Callable, Mapping
from pkgutil import resolve_name
from typing import Any


def loaded_when_used(names: Mapping[str, str]) -> Callable[[str], Any]:
    """The ``__getattr__`` of a package whose public names stand in other modules (PEP 562).

    ``names`` has them as `pkgutil.resolve_name` reads them; ``module:`` is a module.
    """

    def getattr_of_package(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"no public name {name!r}")
        return resolve_name(names[name])

    return getattr_of_package
