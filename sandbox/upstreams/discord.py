"""Imitates Discord's webhooks: POST /api/webhooks/{id}/{token} keeps a message and answers 204.

Ids that begin with 0 are unknown ones.  GET /_messages lists what was received.
"""

from __future__ import annotations

import json
import math
from collections import deque
from typing import Any

from sandbox.upstreams.base import Reply, Request, Site, as_json
from sandbox.upstreams.strict import Window

#: Longest content of a message, and most embeds.
LONGEST = 2000
MOST_EMBEDS = 10
#: So many messages are kept, the newest.
KEPT = 10_000
_messages: deque[dict[str, Any]] = deque(maxlen=KEPT)


def refuse(_request: Request, _window: Window | None, wait: float) -> Reply:
    """Too much: 429 with the wait in seconds, as fraction in the body and whole in the header."""
    body = {"message": "You are being rate limited.", "retry_after": round(wait, 3), "global": False}
    whole = str(max(1, math.ceil(wait)))
    return as_json(body, 429, **{"Retry-After": whole, "X-RateLimit-Scope": "user"})


def _wrong(body: Any) -> str | None:
    """What is wrong with a message, or None."""
    if not isinstance(body, dict):
        return "message is no object"
    content, embeds = body.get("content") or "", body.get("embeds") or []
    if not (content or embeds):
        return "Cannot send an empty message"
    if len(content) > LONGEST:
        return f"content: Must be {LONGEST} or fewer in length."
    if len(embeds) > MOST_EMBEDS:
        return f"embeds: Must be {MOST_EMBEDS} or fewer in length."
    return None


def respond(request: Request) -> Reply:
    """Take one message."""
    match request.path.strip("/").split("/"):
        case ["api", "webhooks", number, _token] if not number.startswith("0"):
            pass
        case ["api", "webhooks", *_]:
            return as_json({"message": "Unknown Webhook", "code": 10015}, 404)
        case _:
            return as_json({"message": "404: Not Found", "code": 0}, 404)
    if request.method != "POST":
        return as_json({"id": number, "type": 1, "name": "sandbox"})
    try:
        body = json.loads(request.body)
    except ValueError:
        return as_json({"message": "The request body contains invalid JSON.", "code": 50109}, 400)
    if wrong := _wrong(body):
        return as_json({"message": wrong, "code": 50006}, 400)
    _messages.append({"at": request.now, "webhook": number, "message": body})
    if request.query.get("wait") == "true":
        return as_json({"id": str(request.number), "content": body.get("content", "")})
    return 204, {}, b""


#: Five messages in two seconds, as its webhooks allow.
SITE = Site(
    "discord", respond, limits=[(5, 2.0)], refuse=refuse, extra={"messages": lambda: list(_messages)}
)
