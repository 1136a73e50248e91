"""Geometry of the small pictures that the server draws: strips, lines, bars (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from console.words import state_look


@dataclass(frozen=True, slots=True)
class Bar:
    """One run of a strip: where it stands, how high, its class and its words."""

    x: float
    y: float
    height: float
    look: str
    words: str
    link: str


def strip(runs: Sequence[Any], slots: int = 24, width: int = 146, height: int = 22) -> list[Bar]:
    """Bars of the last runs, the newest at the right; the longest run has the highest bar."""
    step = width / slots
    lengths = [run["seconds"] or 0.0 for run in runs]
    longest = max(lengths, default=0.0) or 1.0
    first = slots - len(runs)
    bars = []
    for place, (run, seconds) in enumerate(zip(runs, lengths, strict=True)):
        tall = max(4.0, height * (seconds / longest) ** 0.5)
        words = f"{run['state']} {run['at']}" + (f": {run['said']}" if run["said"] else "")
        look = state_look(run["state"])[1]
        bars.append(
            Bar(
                round((first + place) * step, 2),
                round(height - tall, 2),
                round(tall, 2),
                look,
                words,
                run["id"],
            )
        )
    return bars


def line(values: Sequence[float | None], width: int = 360, height: int = 64) -> str:
    """Points of a polyline over values, scaled to their range."""
    known = [float(value) for value in values if value is not None]
    if len(known) < 2:
        return ""
    low, high = min(known), max(known)
    size = (high - low) or 1.0
    step = width / (len(known) - 1)
    top, room = 3, height - 6
    return " ".join(
        f"{place * step:.1f},{top + room * (1 - (value - low) / size):.1f}"
        for place, value in enumerate(known)
    )


def shares(parts: Sequence[tuple[str, float]], whole: float) -> list[tuple[str, float, float]]:
    """Class, start and width (percent of ``whole``) of each part of a bar, one after the other."""
    at = 0.0
    found = []
    for look, amount in parts:
        wide = min(100.0 - at, 100.0 * amount / whole) if whole > 0 else 0.0
        if wide > 0:
            found.append((look, round(at, 2), round(wide, 2)))
            at += wide
    return found
