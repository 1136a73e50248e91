"""Any other service by an Apprise URL (extra ``apprise``); its own retries and waits are Apprise's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tasks.watches import messages
from tasks.watches.channels import resolved
from tasks.watches.messages import Note
from workers.channel_secrets import is_reference
from workers.errors import BrokenAnswer, SecretRefused, Unavailable
from workers.upstream import Door


def send(door: Door, channel: Any, notes: Sequence[Note]) -> str:
    """Hand over; Apprise says only whether it went well."""
    try:
        import apprise
    except ImportError:
        raise BrokenAnswer(
            channel.upstream, "needs Apprise: pip install 'watchkeeper[apprise]'"
        ) from None
    if not is_reference(channel.target):
        raise SecretRefused("an Apprise address is a secret")
    url = resolved(channel.target)
    service = apprise.Apprise()
    if not service.add(url):
        raise BrokenAnswer(channel.upstream, "Apprise does not know such an address")
    with door.passing(channel.upstream, "apprise"):
        if not service.notify(title=messages.subject_of(notes), body=messages.plain_text(notes)):
            raise Unavailable(channel.upstream, "Apprise could not deliver it")
    return "Apprise delivered it"
