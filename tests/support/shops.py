"""Shops that answer slowly: ``python -m tests.support.shops --port 8000 --seconds 0.5 --pages 10``.

Address ``/s7/c1/page-3`` is page 3 of category c1 of shop s7: 20 ads in Head-Fi's markup, the same at each
call; page 1 is ``/s7/c1/``; any other address of a shop is answered with "ok".  ``/_seen`` tells how many
answers were given, how many were open at once, and by shop the same and when each call came.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import re
import time
from collections import Counter, defaultdict
from typing import Any

from tests.support.listings import Ad
from tests.support.tools import open_files

ADS = 20
PAGE = re.compile(r"/s(\d+)/c(\d+)/(?:page-(\d+))?$")


class Shops:
    def __init__(self, seconds: float, pages: int) -> None:
        self._seconds, self._pages = seconds, pages
        self._made: dict[str, bytes] = {}
        self._served = self._most = 0
        self._open: Counter[str] = Counter()
        self._most_of: Counter[str] = Counter()
        self._came: dict[str, list[float]] = defaultdict(list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                path = head.split(b" ", 2)[1].decode()
                writer.write(await self._answer(path))
                await writer.drain()
        writer.close()

    async def _answer(self, path: str) -> bytes:
        if path == "/robots.txt":
            return _response("text/plain", b"User-agent: *\nDisallow: /private\n")
        if path == "/_seen":
            seen = {
                "served": self._served,
                "most": self._most,
                "most_of": self._most_of,
                "came": self._came,
            }
            answer = _response("application/json", json.dumps(seen).encode())
            self._served = self._most = 0
            self._most_of.clear()
            self._came.clear()
            return answer
        shop = path.split("/")[1]
        self._came[shop].append(time.monotonic())
        self._open[shop] += 1
        self._most_of[shop] = max(self._most_of[shop], self._open[shop])
        self._most = max(self._most, self._open.total())
        try:
            await asyncio.sleep(self._seconds)
        finally:
            self._open[shop] -= 1
        self._served += 1
        if path not in self._made:
            self._made[path] = self._page(path)
        return self._made[path]

    def _page(self, path: str) -> bytes:
        found = PAGE.match(path)
        if found is None:
            return _response("text/plain", b"ok")
        shop, category, page = (int(part or 1) for part in found.groups())
        first = ((shop * 100 + category) * 1000 + page) * 100
        more = f'<a class="pageNav-jump--next" href="/s{shop}/c{category}/page-{page + 1}">Next</a>'
        ads = "".join(_ad(first + nth).html() for nth in range(ADS))
        text = f"<html><body>{ads}{more if page < self._pages else ''}</body></html>"
        return _response("text/html; charset=utf-8", text.encode())


def _ad(number: int) -> Ad:
    return Ad(
        number,
        title=f"Sennheiser HD 650, pair {number}, with cable and box",
        price=f"{100 + number % 400} USD",
        listed="2026-11-28T12:00:00+0000",
        fields={
            "Condition": "Used, like new",
            "Price negotiability": "Firm",
            "Ships to": "CONUS, Canada, Europe",
        },
    )


def _response(kind: str, body: bytes) -> bytes:
    return (
        f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
        + body
    )


async def main(arguments: Any) -> None:
    shops = Shops(arguments.seconds, arguments.pages)
    server = await asyncio.start_server(shops.serve, "127.0.0.1", arguments.port, backlog=1024)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--seconds", type=float, default=0.5)
    parser.add_argument("--pages", type=int, default=10)
    with open_files(4096):
        asyncio.run(main(parser.parse_args()))
