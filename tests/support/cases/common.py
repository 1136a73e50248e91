"""What the adapters of the cases share: inputs nobody reads are errors, words stand for numbers."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[2] / "acceptance" / "cases"


def cases(name: str) -> list[Any]:
    """The cases of a system as parameters."""
    return [
        pytest.param(case, id=case["id"]) for case in json.loads((FOLDER / f"{name}.json").read_text())
    ]


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
