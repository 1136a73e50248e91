"""Time zones as the package tzdata has them, whose version is locked: the same on every host (pure).

Governments change clocks at short notice, and the files of a host may be years old: two beats would
disagree about a due time.
"""

from functools import cache
from importlib import resources
from zoneinfo import ZoneInfo


@cache
def zone_of(key: str) -> ZoneInfo:
    try:
        with resources.files("tzdata.zoneinfo").joinpath(*key.split("/")).open("rb") as file:
            return ZoneInfo.from_file(file, key)
    except (OSError, ModuleNotFoundError):
        return ZoneInfo(key)
