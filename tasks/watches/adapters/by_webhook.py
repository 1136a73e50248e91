"""Any server that takes JSON by POST and answers 2xx."""

from collections.abc import Sequence
from typing import Any

from tasks.watches import messages
from tasks.watches.adapters.addresses import path_of
from tasks.watches.adapters.refusals import ABOUT_THE_MESSAGE, MessageRefused
from tasks.watches.messages import Note
from workers.errors import BrokenResponse
from workers.upstreams import CallOptions, UpstreamClient


def send(client: UpstreamClient, channel: Any, notes: Sequence[Note]) -> str:
    """Send; returns e.g. "the server said 202"."""
    path, secrets = path_of(channel)
    options = CallOptions(secrets=secrets)
    try:
        response = client.post(channel.upstream, path, messages.webhook(notes), options)
    except BrokenResponse as error:
        if error.status not in ABOUT_THE_MESSAGE:
            raise
        raise MessageRefused(channel.upstream, error.detail) from None
    return f"the server said {response.status}"
