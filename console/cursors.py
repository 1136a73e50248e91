"""Opaque cursors: where the next page of a list begins."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

from console.refusals import refuse


def encode(*place: Any) -> str:
    written = json.dumps(place, default=str, separators=(",", ":"))
    return base64.urlsafe_b64encode(written.encode()).rstrip(b"=").decode()


def decode(cursor: str | None, parts: int) -> tuple[Any, ...] | None:
    """The place that a cursor names; refused when it is none of ours."""
    if not cursor:
        return None
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        place = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, RecursionError):
        place = None
    plain = isinstance(place, list) and all(isinstance(one, str | int | None) for one in place)
    if not plain or len(place) != parts:
        raise refuse(422, "this cursor is not one of ours", "Begin without one.", "cursor")
    return tuple(place)
