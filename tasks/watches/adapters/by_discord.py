"""Discord's webhooks (discord.com/developers/docs/resources/webhook): POST; 204, or 200 if we wait."""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from tasks.watches import messages
from tasks.watches.adapters.addresses import path_of
from tasks.watches.adapters.refusals import ABOUT_THE_MESSAGE, MessageRefused
from tasks.watches.messages import Note
from workers.errors import BrokenResponse, NotFound, RateLimited
from workers.upstreams import CallOptions, Response, UpstreamClient, retry_after


def send(client: UpstreamClient, channel: Any, notes: Sequence[Note]) -> str:
    """Send; returns e.g. "Discord said 200, message 1234"."""
    path, secrets = path_of(channel)
    try:
        options = CallOptions(params={"wait": "true"}, secrets=secrets, check=check)
        response = client.post(channel.upstream, path, messages.discord(notes), options)
    except NotFound:
        raise NotFound(channel.upstream, "Discord said 404: Unknown Webhook") from None
    except BrokenResponse as error:
        if error.status is None:
            raise BrokenResponse(channel.upstream, f"Discord {error.detail}") from None
        kind = MessageRefused if error.status in ABOUT_THE_MESSAGE else BrokenResponse
        raise kind(channel.upstream, f"Discord said {error.status}: {_why(error.body)}") from None
    return answer_of(response)


def answer_of(response: Response) -> str:
    number = _said(response).get("id")
    return f"Discord said {response.status}" + (f", message {number}" if number else "")


def check(response: Response) -> None:
    """Discord may report a limit in the body of a 200."""
    said = _said(response)
    if "retry_after" in said:
        wait = retry_after(str(said["retry_after"]), datetime.now(UTC))
        raise RateLimited(response.upstream, "said: too many", retry_after=wait)


def _said(response: Response) -> dict[str, Any]:
    said = response.json() if response.content else None
    return said if isinstance(said, dict) else {}


def _why(body: bytes) -> str:
    """Discord's own words: "Invalid Form Body (Must be 1024 or fewer in length.)"."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return "no reason"
    if not isinstance(said, dict):
        return "no reason"
    reasons = "; ".join(dict.fromkeys(_reasons(said.get("errors"))))
    words = str(said.get("message") or "no reason")
    return messages.cut(f"{words} ({reasons})" if reasons else words, 300)


def _reasons(errors: Any) -> Iterator[str]:
    if not isinstance(errors, dict):
        return
    for name, inner in errors.items():
        if name == "_errors" and isinstance(inner, list):
            yield from (
                str(one["message"]) for one in inner if isinstance(one, dict) and "message" in one
            )
        else:
            yield from _reasons(inner)
