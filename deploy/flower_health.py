"""`python deploy/flower_health.py`: exit status 0 while Flower answers and reaches its broker."""

import os
import sys
import urllib.request

from kombu import Connection

from workers.connections import sentinel
from workers.connections.postgres import DEFAULT_BROKER_URL, setting

#: As Flower itself reads it.
PORT = int(os.environ.get("FLOWER_PORT", "5555"))


def main() -> int:
    try:
        # Not through a proxy that the environment names.
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        direct.open(f"http://127.0.0.1:{PORT}/healthcheck", timeout=3).close()
        options = {**sentinel.transport_options(), "socket_timeout": 3, "socket_connect_timeout": 3}
        with Connection(
            setting("broker_url") or DEFAULT_BROKER_URL, transport_options=options
        ) as broker:
            broker.default_channel.client.ping()
    except Exception as error:
        # The text of an error may hold the broker's address with its password.
        sys.stderr.write(f"Flower does not work: {type(error).__name__}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
