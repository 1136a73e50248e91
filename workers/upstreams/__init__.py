"""Calls to servers of somebody else: client, permits, quotas, circuit breaker, robots.txt.

Tasks import these names.  Each is loaded when it is first used: the HTTP library is heavy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workers.upstreams.browser import Browser as Browser
    from workers.upstreams.browser import PageIncomplete as PageIncomplete
    from workers.upstreams.client import UpstreamClient as UpstreamClient
    from workers.upstreams.requests import CallOptions as CallOptions
    from workers.upstreams.responses import Response as Response
    from workers.upstreams.responses import Validators as Validators
    from workers.upstreams.responses import is_challenge as is_challenge
    from workers.upstreams.retry import block_seconds as block_seconds
    from workers.upstreams.retry import http_date as http_date
    from workers.upstreams.robots import Disallowed as Disallowed

_MODULE_OF = {
    "Browser": "browser",
    "PageIncomplete": "browser",
    "UpstreamClient": "client",
    "CallOptions": "requests",
    "Response": "responses",
    "Validators": "responses",
    "is_challenge": "responses",
    "block_seconds": "retry",
    "http_date": "retry",
    "Disallowed": "robots",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(name)
    return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
