"""`allowed_network`: networks that calls may reach although they are not public; the owner's list."""

from ipaddress import ip_network

from workers.db import driver_connect, execute
from workers.upstreams.addresses import Network
from workers.upstreams.remembered import Remembered


def _read() -> tuple[Network, ...]:
    with driver_connect() as connection:
        rows = execute(connection, "select network::text from allowed_network").fetchall()
        return tuple(ip_network(row.network) for row in rows)


#: For how long the list is believed (seconds).
listed = Remembered(_read, 1.0)
