"""The watches of this installation: found by a scan of ``tasks.*.watch``, named nowhere."""

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pkgutil import iter_modules

import tasks
from tasks.watches.watch import Fields, Watch


@cache
def by_domain() -> Mapping[str, Watch]:
    found = {}
    for module in iter_modules(tasks.__path__, "tasks."):
        name = f"{module.name}.watch"
        if module.ispkg and find_spec(name):
            watch = getattr(import_module(name), "WATCH", None)
            if watch is not None:
                found[module.name.partition(".")[2]] = watch
    return dict(sorted(found.items()))


@cache
def by_subject() -> Mapping[str, Watch]:
    return {watch.subject: watch for watch in by_domain().values()}


def followed() -> str:
    queries = [watch.followed for watch in by_domain().values() if watch.followed]
    return " union all ".join(queries) or "select null::text where false"


def fields(subject: str) -> Fields:
    """Fields of a subject; none for a subject that no watch finds any more."""
    watch = by_subject().get(subject)
    return watch.fields if watch else {}
