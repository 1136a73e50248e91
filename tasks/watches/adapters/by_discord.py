"""Discord's webhooks (discord.com/developers/docs/resources/webhook): POST; 204, or 200 if we wait."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tasks.watches import messages
from tasks.watches.adapters.addresses import path_of
from tasks.watches.messages import Note
from workers.answers import Answer
from workers.errors import BrokenAnswer, NotFound, RateLimited
from workers.upstream import Door


def send(door: Door, channel: Any, notes: Sequence[Note]) -> str:
    """Hand over; returns e.g. "Discord said 200, message 1234"."""
    path, secrets = path_of(channel)
    try:
        answer = door.post(
            channel.upstream,
            path,
            messages.discord(notes),
            params={"wait": "true"},
            secrets=secrets,
            check=_check,
        )
    except NotFound:
        raise NotFound(channel.upstream, "Discord said 404: Unknown Webhook") from None
    except BrokenAnswer as error:
        raise BrokenAnswer(channel.upstream, f"Discord {error.detail}") from None
    number = answer.json().get("id") if answer.content else None
    return f"Discord said {answer.status}" + (f", message {number}" if number else "")


def _check(answer: Answer) -> None:
    """A limit may come as a body alone."""
    body = answer.json() if answer.content else {}
    if isinstance(body, dict) and "retry_after" in body:
        raise RateLimited(answer.upstream, "said: too many", retry_after=float(body["retry_after"]))
