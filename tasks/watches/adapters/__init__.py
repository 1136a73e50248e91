"""Adapters: one module for each kind of channel, each with ``send``.

``send(client, channel, notes)`` hands over one message and returns the server's response in words.  It
raises what the client raises.  NotFound, BrokenResponse, SecretRefused and, for this message alone,
MessageRefused are final; after Unavailable the message is tried again.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tasks.watches import messages
from tasks.watches.adapters import by_apprise, by_discord, by_email, by_webhook
from tasks.watches.messages import Note
from workers.errors import BrokenResponse, redact
from workers.upstreams import UpstreamClient

Send = Callable[[UpstreamClient, Any, Sequence[Note]], str]
ADAPTERS: Mapping[str, Send] = {
    "discord": by_discord.send,
    "email": by_email.send,
    "webhook": by_webhook.send,
    "apprise": by_apprise.send,
}


#: How many of the given notices one message takes; kinds that are not named take all.
_FITTING: Mapping[str, Callable[[Sequence[Note]], int]] = {
    "discord": messages.discord_fitting,
    "apprise": lambda notes: min(len(notes), 10),
}


def fitting(kind: str, notes: Sequence[Note]) -> int:
    """How many of these notices the first message holds; at least one."""
    return _FITTING.get(kind, len)(notes)


def send(client: UpstreamClient, channel: Any, notes: Sequence[Note]) -> str:
    """Send one message to a channel (a row of `channel` with its ``base_url``).

    A row that no message can be made of is BrokenResponse: the same row would fail again.
    """
    try:
        return redact(ADAPTERS[channel.kind](client, channel, notes))
    except (ValueError, TypeError, LookupError) as error:
        words = f"channel {channel.name} cannot be used: {error}"
        raise BrokenResponse(channel.upstream, words) from error
