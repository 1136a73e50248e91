"""What the adapters of the cases share: inputs nobody reads are errors, words stand for numbers."""

from __future__ import annotations

import re
from typing import Any


def agrees(found: Any, expected: Any) -> bool:
    """Whether a value is what a case asks for: itself, "59..61", ">60" or "about 99-100"."""
    if isinstance(expected, str) and isinstance(found, int | float):
        if bounds := re.fullmatch(r"(?:about )?(\d+)(?:\.\.|-)(\d+)", expected):
            low, high = map(int, bounds.groups())
            return low <= round(found, 1) <= high
        if bound := re.fullmatch(r"([<>])(\d+)", expected):
            limit = int(bound.group(2))
            return found > limit if bound.group(1) == ">" else found < limit
    return bool(found == expected)


def only(given: dict[str, Any], *known: str) -> None:
    """An input that the adapter would pass over is an error of the adapter."""
    unknown = set(given) - set(known)
    assert not unknown, f"the adapter does not know {sorted(unknown)}"
