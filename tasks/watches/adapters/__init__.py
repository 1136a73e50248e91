"""How each kind of channel is spoken to: one module a kind, each with ``send``.

``send(door, channel, notes)`` hands over one message and returns the server's answer in words.  It
raises what the door raises; NotFound, BrokenAnswer and SecretRefused are hopeless, Unavailable is not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tasks.watches.adapters import by_apprise, by_discord, by_email, by_webhook
from tasks.watches.messages import Note
from workers.errors import BrokenAnswer
from workers.redaction import redact
from workers.upstream import Door

Send = Callable[[Door, Any, Sequence[Note]], str]
ADAPTERS: Mapping[str, Send] = {
    "discord": by_discord.send,
    "email": by_email.send,
    "webhook": by_webhook.send,
    "apprise": by_apprise.send,
}


def send(door: Door, channel: Any, notes: Sequence[Note]) -> str:
    """Hand one message over to a channel (a row of `channel` with its ``base_url``).

    A row that no message can be made of is BrokenAnswer: the same row would fail again.
    """
    try:
        return redact(ADAPTERS[channel.kind](door, channel, notes))
    except (ValueError, TypeError, LookupError) as error:
        words = f"channel {channel.name} cannot be used: {error}"
        raise BrokenAnswer(channel.upstream, words) from error
