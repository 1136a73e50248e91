"""Any other service by an Apprise URL (extra ``apprise``); its own retries and waits are Apprise's.

Apprise connects by itself: Python tells of each connection before it is made, and one that no call
may make ends the message.  When the call's time is over it is left to itself, its permit unsettled.
"""

from collections.abc import Sequence
from typing import Any

from tasks.watches import messages
from tasks.watches.channels import resolved
from tasks.watches.messages import Note
from workers.errors import BrokenResponse, SecretRefused, Unavailable
from workers.upstreams import UpstreamClient, channel_secrets, deadline, network


def send(client: UpstreamClient, channel: Any, notes: Sequence[Note]) -> str:
    try:
        import apprise
    except ImportError:
        raise BrokenResponse(
            channel.upstream, "needs Apprise: pip install 'watchkeeper[apprise]'"
        ) from None
    if not channel_secrets.is_reference(channel.target):
        raise SecretRefused(
            "an Apprise address is a secret: put it into a variable WATCHKEEPER_CHANNEL_… and write"
            " target = 'env:WATCHKEEPER_CHANNEL_…'"
        )
    url = resolved(channel.target)
    services = apprise.Apprise()
    if not services.add(url):
        raise BrokenResponse(channel.upstream, "Apprise does not know such an address")
    what = {"title": messages.subject_of(notes), "body": messages.plain_text(notes)}

    def notify() -> bool:
        # In this thread: the guard does not watch Apprise's own threads.
        with network.guarded():
            delivered = [service.notify(**what) for service in services]
        return bool(delivered) and all(delivered)

    with client.permit(channel.upstream, "apprise"):
        if not deadline.in_time(object(), notify):
            raise Unavailable(channel.upstream, "Apprise could not deliver it")
    return "Apprise delivered it"
