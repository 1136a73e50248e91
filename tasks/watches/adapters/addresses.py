"""Where a channel's message goes: the server is the upstream's, the path the channel's secret."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from tasks.watches.channels import resolved


def path_of(channel: Any) -> tuple[str, list[str]]:
    """Path and query of a channel's address, and what of it no log may show."""
    target = resolved(channel.target)
    parts = urlsplit(target)
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    secrets = [part for part in parts.path.split("/") if len(part) >= 16]
    return path, [target, path, *secrets]
