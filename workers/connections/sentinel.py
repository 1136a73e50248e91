"""Redis behind Sentinel: which server is the master is asked anew for each connection."""

from collections.abc import Mapping
from typing import Any

import redis
from kombu.utils.url import parse_url
from redis.sentinel import Sentinel

from workers.connections.postgres import setting

SCHEME = "sentinel://"
DEFAULT_PORT = 26379
#: One that does not answer costs so long, then the next one is asked (seconds).
ASKED_FOR = 2.0


def transport_options() -> dict[str, Any]:
    """Options of kombu for sentinel:// addresses; empty where no master is named."""
    master = setting("broker_master")
    if not master:
        return {}
    asking: dict[str, Any] = {"socket_timeout": ASKED_FOR, "socket_connect_timeout": ASKED_FOR}
    if password := setting("sentinel_password"):
        asking["password"] = password
    return {"master_name": master, "sentinel_kwargs": asking}


def master(url: str, options: Mapping[str, Any], **how: Any) -> redis.Redis | None:
    """A client of the master, whoever that is; None when ``options`` do not name it."""
    if "master_name" not in options:
        return None
    places = [parse_url(one) for one in url.split(";")]
    first = places[0]
    login = {"username": first["userid"], "password": first["password"]}
    manager: Any = Sentinel(  # type: ignore[no-untyped-call]
        [(place["hostname"], place["port"] or DEFAULT_PORT) for place in places],
        sentinel_kwargs=options.get("sentinel_kwargs"),
        **{name: value for name, value in login.items() if value},
    )
    found: redis.Redis = manager.master_for(
        options["master_name"], redis.Redis, db=int(first["virtual_host"] or 0), **how
    )
    return found
