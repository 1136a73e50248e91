"""Geometry of the small pictures that the server draws: strips, lines, bars (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup, escape

from console.words import state_look

#: A bar of a strip; drawn here, since a list has a thousand of them.
_BAR = (
    '<a href="/runs/{}" tabindex="-1" aria-hidden="true">'
    '<rect class="{}" x="{:.5g}" y="{:.4g}" width="4.6" height="{:.4g}" rx="1">'
    "<title>{}</title></rect></a>"
)


def strip(runs: Sequence[Any], slots: int = 24, width: int = 146, height: int = 22) -> Markup:
    """Bars of the last runs, the newest at the right; the longest run has the highest bar."""
    step = width / slots
    longest = max((run["seconds"] or 0.0 for run in runs), default=0.0) or 1.0
    bars = []
    for place, run in enumerate(runs, slots - len(runs)):
        tall = max(4.0, height * ((run["seconds"] or 0.0) / longest) ** 0.5)
        words = f"{run['state']} {run['at']}" + (f": {run['said']}" if run["said"] else "")
        look = state_look(run["state"])[1]
        bars.append(_BAR.format(run["id"], look, place * step, height - tall, tall, escape(words)))
    return Markup("".join(bars))  # noqa: S704 - numbers, words of ours, and what was escaped


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
