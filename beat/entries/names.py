"""A row's name for any name of an entry (pure): never two entries in one row."""

import hashlib
import re
from collections.abc import Collection, Iterable

#: Longest name of a schedule.
MAX_NAME = 100
_OTHERS = re.compile(r"[^a-z0-9]+")


def plain_name(name: str) -> str:
    """``name`` in lower-case words joined by hyphens: "Daily Report (EU)" → "daily-report-eu"."""
    return _OTHERS.sub("-", name.lower()).strip("-")[:MAX_NAME].strip("-") or "entry"


def row_name(name: str, taken: Collection[str]) -> str:
    """The row's name of an entry: its words, with a sign of the whole name when they are taken."""
    words = plain_name(name)
    if words not in taken:
        return words
    sign = hashlib.blake2b(name.encode(), digest_size=16).hexdigest()
    for length in range(6, 33):
        found = f"{words[: MAX_NAME - length - 1].rstrip('-')}-{sign[:length]}"
        if found not in taken:
            return found
    raise ValueError(f"no name is left for {name!r}")


def in_order(names: Iterable[str]) -> list[str]:
    """Names that are rows' names as they are come first: they keep them."""
    return sorted(names, key=lambda name: (name != plain_name(name), name))
