"""Calls to servers of somebody else: client, permits, quotas, circuit breaker, robots.txt.

Tasks import these names.  Each is loaded when it is first used: the HTTP library is heavy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workers import loaded_when_used

if TYPE_CHECKING:
    from workers.text.cleaning import cleaned as cleaned
    from workers.upstreams import channel_secrets as channel_secrets
    from workers.upstreams import deadline as deadline
    from workers.upstreams import network as network
    from workers.upstreams.browser import Browser as Browser
    from workers.upstreams.browser import PageIncomplete as PageIncomplete
    from workers.upstreams.client import UpstreamClient as UpstreamClient
    from workers.upstreams.requests import CallOptions as CallOptions
    from workers.upstreams.responses import Response as Response
    from workers.upstreams.responses import Validators as Validators
    from workers.upstreams.responses import is_challenge as is_challenge
    from workers.upstreams.responses import refuse_challenge as refuse_challenge
    from workers.upstreams.retry import block_seconds as block_seconds
    from workers.upstreams.retry import http_date as http_date
    from workers.upstreams.retry import retry_after as retry_after
    from workers.upstreams.robots import Disallowed as Disallowed
    from workers.upstreams.upstreams import Upstream as Upstream

#: Public names, and where they stand.
NAMES = {
    "Browser": "workers.upstreams.browser:Browser",
    "CallOptions": "workers.upstreams.requests:CallOptions",
    "Disallowed": "workers.upstreams.robots:Disallowed",
    "PageIncomplete": "workers.upstreams.browser:PageIncomplete",
    "Response": "workers.upstreams.responses:Response",
    "Upstream": "workers.upstreams.upstreams:Upstream",
    "UpstreamClient": "workers.upstreams.client:UpstreamClient",
    "Validators": "workers.upstreams.responses:Validators",
    "block_seconds": "workers.upstreams.retry:block_seconds",
    "channel_secrets": "workers.upstreams.channel_secrets:",
    "cleaned": "workers.text.cleaning:cleaned",
    "deadline": "workers.upstreams.deadline:",
    "http_date": "workers.upstreams.retry:http_date",
    "is_challenge": "workers.upstreams.responses:is_challenge",
    "network": "workers.upstreams.network:",
    "refuse_challenge": "workers.upstreams.responses:refuse_challenge",
    "retry_after": "workers.upstreams.retry:retry_after",
}
if not TYPE_CHECKING:
    __getattr__ = loaded_when_used(NAMES)
