"""GET /events: one stream a visible tab, with the strip and the keys that changed."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from console.access import LoginNeeded, Visit, visiting
from console.pages.hub import EVERYTHING, Hub, look
from console.templating import environment

router = APIRouter()

#: A sign of life is sent, and the login asked for again, at least so often (seconds).
SIGN_EVERY, LOGIN_EVERY = 15.0, 30.0
#: Keys beyond this are not listed: all parts of the page are asked for again.
MAX_KEYS = 200


def hub_of(request: Request) -> Hub:
    state = request.app.state
    if not hasattr(state, "hub"):
        template = environment().get_template("strip_items.html")
        state.hub = Hub(
            state.database.url, look(state.database, lambda strip: template.render(strip=strip))
        )
    hub: Hub = state.hub
    return hub


def message(event: str, data: str) -> str:
    lines = "".join(f"data: {line}\n" for line in data.splitlines() if line.strip())
    return f"event: {event}\n{lines}\n"


@router.get("/events", include_in_schema=False)
def events(request: Request, _: Visit) -> Response:
    return StreamingResponse(
        _stream(request, hub_of(request)),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _stream(request: Request, hub: Hub) -> AsyncIterator[str]:
    yield "retry: 2000\n\n"
    asked = time.monotonic()
    async with hub.subscribed() as queue:
        while True:
            try:
                news = await asyncio.wait_for(queue.get(), SIGN_EVERY)
            except TimeoutError:
                yield ": still here\n\n"
            else:
                for event, keys in (("edited", news.edited), ("changed", news.keys)):
                    if keys:
                        yield message(event, json.dumps(keys if len(keys) <= MAX_KEYS else EVERYTHING))
                if news.strip:
                    yield message("strip", news.strip)
            if time.monotonic() - asked > LOGIN_EVERY:
                if not await run_in_threadpool(_may_still, request):
                    return
                asked = time.monotonic()


def _may_still(request: Request) -> bool:
    try:
        with visiting(request):
            return True
    except LoginNeeded:
        return False
