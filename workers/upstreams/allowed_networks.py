"""`allowed_network`: networks that calls may reach although they are not public; the owner's list."""

from __future__ import annotations

import math
import threading
import time
from ipaddress import ip_network

from workers.db import driver_connect, execute
from workers.upstreams.addresses import Network

#: How long the list is believed (seconds).
FRESH = 1.0

_LIST = "select network::text from allowed_network"

_known: tuple[float, tuple[Network, ...]] = (-math.inf, ())
_reading = threading.Lock()


def listed() -> tuple[Network, ...]:
    """Every network of the list, remembered for a second; one thread reads it for all that ask."""
    global _known  # noqa: PLW0603 - a process's memory
    asked = time.monotonic()
    if asked - _known[0] <= FRESH:
        return _known[1]
    with _reading:
        if asked - _known[0] > FRESH:
            began = time.monotonic()
            with driver_connect() as connection:
                rows = execute(connection, _LIST).fetchall()
            _known = (began, tuple(ip_network(row.network) for row in rows))
        return _known[1]


def forget() -> None:
    """Forget the list (after a fork; between tests)."""
    global _known, _reading
    _known, _reading = (-math.inf, ()), threading.Lock()
