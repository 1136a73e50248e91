"""Where a channel's message goes: the server is the upstream's, the path the channel's secret."""

from contextlib import suppress
from ipaddress import ip_address
from typing import Any
from urllib.parse import SplitResult, urlsplit

from tasks.watches.channels import resolved
from workers.errors import BrokenResponse
from workers.upstreams import channel_secrets


def path_of(channel: Any) -> tuple[str, list[str]]:
    target = resolved(channel.target)
    if channel_secrets.has_control(target):
        raise BrokenResponse(channel.upstream, "target holds a line break or another control character")
    parts = urlsplit(target)
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    if not channel_secrets.is_reference(channel.target):
        return path, []
    _check_server(channel, parts)
    return path, [target, path]


def _check_server(channel: Any, secret: SplitResult) -> None:
    """Refuse to send a secret address to another server than its own."""
    server = urlsplit(channel.base_url)
    if _place(server) != _place(secret) and not _is_here(server.hostname or ""):
        raise BrokenResponse(
            channel.upstream, "the address that the secret holds is not on this upstream's server"
        )


def _place(parts: SplitResult) -> tuple[str, str | None, int | None]:
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def _is_here(host: str) -> bool:
    """Whether the server is on this machine, as the sandbox's imitations are."""
    with suppress(ValueError):
        return ip_address(host).is_loopback
    return host == "localhost"
