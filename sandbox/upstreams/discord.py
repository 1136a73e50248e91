"""Imitates Discord's webhooks: POST /api/webhooks/{id}/{token} keeps a message and answers 204.

Ids that begin with 0 are unknown ones.  GET /_messages lists what was received.
"""

import json
import math
from collections import deque
from typing import Any
from urllib.parse import urlsplit

from sandbox.upstreams.base import Reply, Request, Site, as_json
from sandbox.upstreams.strict import Window

#: Longest content of a message, most embeds of it, and most characters of all of them together.
MAX_CONTENT = 2000
MAX_EMBEDS = 10
MAX_CHARACTERS = 6000
#: Most fields of an embed, and the longest text of each of its parts.
MAX_FIELDS = 25
MAX_TEXT = {"title": 256, "description": 4096, "footer.text": 2048, "author.name": 256}
MAX_FIELD = {"name": 256, "value": 1024}
MAX_URL = 2048
#: A link to this host is refused, as Discord refuses what its filter of links knows.
HARMFUL = "//harmful.example/"
#: So many messages are kept, the newest.
KEPT = 10_000
_messages: deque[dict[str, Any]] = deque(maxlen=KEPT)


def refuse(_request: Request, _window: Window | None, wait: float) -> Reply:
    """Too much: 429 with the wait in seconds, as fraction in the body and whole in the header."""
    body = {"message": "You are being rate limited.", "retry_after": round(wait, 3), "global": False}
    whole = str(max(1, math.ceil(wait)))
    return as_json(body, 429, **{"Retry-After": whole, "X-RateLimit-Scope": "user"})


def _text(part: dict[str, Any], path: str) -> str:
    """A text of an embed as Discord counts it: code points, without the blanks at both ends."""
    first, _, rest = path.partition(".")
    value = part.get(first)
    if rest:
        return _text(value, rest) if isinstance(value, dict) else ""
    return value.strip() if isinstance(value, str) else ""


def _too_long(found: str, most: int) -> str | None:
    return f"Must be {most} or fewer in length." if len(found) > most else None


def _embed_errors(embed: dict[str, Any]) -> dict[str, Any]:
    """What is wrong with one embed, by the path of the part."""
    found = {path: _too_long(_text(embed, path), most) for path, most in MAX_TEXT.items()}
    fields = embed.get("fields") or []
    if len(fields) > MAX_FIELDS:
        found["fields"] = f"Must be {MAX_FIELDS} or fewer in length."
    for number, field in enumerate(fields):
        for name, most in MAX_FIELD.items():
            said = _text(field, name)
            found[f"fields.{number}.{name}"] = (
                _too_long(said, most) if said else "This field is required"
            )
    if "url" in embed and not _is_address(embed["url"]):
        found["url"] = "Not a well formed URL."
    return {path: words for path, words in found.items() if words}


def _is_address(url: Any) -> bool:
    if not isinstance(url, str) or len(url) > MAX_URL or " " in url:
        return False
    parts = urlsplit(url)
    return parts.scheme in {"http", "https"} and bool(parts.hostname)


def _size(embed: dict[str, Any]) -> int:
    fields = embed.get("fields") or []
    return sum(len(_text(embed, path)) for path in MAX_TEXT) + sum(
        len(_text(field, name)) for field in fields for name in MAX_FIELD
    )


def _wrong(body: Any) -> Reply | None:
    """The refusal of a message, or None when it is taken."""
    if not isinstance(body, dict):
        return _invalid({"_": "Only dictionaries may be used in a DictType"})
    content, embeds = body.get("content") or "", body.get("embeds") or []
    if not (content or embeds):
        return as_json({"message": "Cannot send an empty message", "code": 50006}, 400)
    found: dict[str, str] = {}
    if len(content) > MAX_CONTENT:
        found["content"] = f"Must be {MAX_CONTENT} or fewer in length."
    if len(embeds) > MAX_EMBEDS:
        found["embeds"] = f"Must be {MAX_EMBEDS} or fewer in length."
    if any(HARMFUL in str(embed.get("url")) for embed in embeds):
        return as_json({"message": "Message blocked by harmful links filter", "code": 240000}, 400)
    for number, embed in enumerate(embeds):
        errors = _embed_errors(embed)
        found |= {f"embeds.{number}.{path}": words for path, words in errors.items()}
    if not found and sum(map(_size, embeds)) > MAX_CHARACTERS:
        found["embeds"] = f"Embed size exceeds maximum size of {MAX_CHARACTERS}"
    return _invalid(found) if found else None


def _invalid(found: dict[str, str]) -> Reply:
    """400 with its tree of errors, whose branches are the parts of the body."""
    errors: dict[str, Any] = {}
    for path, words in found.items():
        branch = errors
        for name in path.split("."):
            branch = branch.setdefault(name, {})
        branch["_errors"] = [{"code": "BASE_TYPE_MAX_LENGTH", "message": words}]
    return as_json({"message": "Invalid Form Body", "code": 50035, "errors": errors}, 400)


def respond(request: Request) -> Reply:
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
        return wrong
    _messages.append({"at": request.now, "webhook": number, "message": body})
    if request.query.get("wait") == "true":
        return as_json({"id": str(request.number), "content": body.get("content", "")})
    return 204, {}, b""


#: Five messages in two seconds, as its webhooks allow.
SITE = Site(
    "discord", respond, limits=[(5, 2.0)], refuse=refuse, extra={"messages": lambda: list(_messages)}
)
