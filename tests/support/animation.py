"""Animated pictures (APNG) from screenshots, for the README."""

from __future__ import annotations

import base64
import html
import struct
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_FRAME = """<!doctype html><html><head><style>
body {{ margin: 0; display: flex; width: 1240px; height: 560px; background: #0d1117; }}
pre {{ margin: 0; padding: 20px; width: 380px; box-sizing: border-box; color: #d6deeb; font: 14px/1.6 monospace; white-space: pre-wrap; }}
img {{ width: 860px; height: 560px; }}
</style></head><body><pre>{said}</pre><img src="data:image/png;base64,{picture}"></body></html>"""


def frame(page: Any, said: str, picture: bytes) -> bytes:
    """A terminal's text at the left, a screenshot at the right."""
    page.set_content(_FRAME.format(said=html.escape(said), picture=base64.b64encode(picture).decode()))
    page.wait_for_function("document.images[0].complete")
    made: bytes = page.screenshot()
    return made


def apng(frames: Sequence[tuple[bytes, float]]) -> bytes:
    """One picture of frames of one size, each shown for so many seconds; it repeats."""
    header = next(data for kind, data in _chunks(frames[0][0]) if kind == b"IHDR")
    width, height = struct.unpack(">II", header[:8])
    parts = [_SIGNATURE, _chunk(b"IHDR", header), _chunk(b"acTL", struct.pack(">II", len(frames), 0))]
    number = 0
    for place, (png, seconds) in enumerate(frames):
        control = struct.pack(
            ">IIIIIHHBB", number, width, height, 0, 0, round(seconds * 100), 100, 0, 0
        )
        parts.append(_chunk(b"fcTL", control))
        number += 1
        for kind, data in _chunks(png):
            if kind == b"IDAT" and place == 0:
                parts.append(_chunk(kind, data))
            elif kind == b"IDAT":
                parts.append(_chunk(b"fdAT", struct.pack(">I", number) + data))
                number += 1
    return b"".join([*parts, _chunk(b"IEND", b"")])


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(_SIGNATURE)
    while at < len(png):
        (length,) = struct.unpack(">I", png[at : at + 4])
        yield png[at + 4 : at + 8], png[at + 8 : at + 8 + length]
        at += length + 12


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
