"""Debian's PgBouncer before a Postgres, with the file that docs/production.md offers."""

from __future__ import annotations

import os
import re
import shutil
import signal
from pathlib import Path

import psycopg

from sandbox.postgres import USER, PostgresServer
from sandbox.processes import Process, unprivileged, wait_until

FILE = Path(__file__).parents[2] / "deploy" / "pgbouncer" / "pgbouncer.ini"


def program() -> str | None:
    return shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")


class PgBouncer:
    """The file as it is, but for where things are here."""

    def __init__(self, folder: Path, port: int, postgres: PostgresServer) -> None:
        self.folder, self.port, self._postgres = folder, port, postgres
        self.process: Process | None = None

    def through(self, url: str) -> str:
        """The address ``url`` of the server, by way of this."""
        return url.replace(f":{self._postgres.port}/", f":{self.port}/")

    def start(self) -> None:
        found, identity = program(), unprivileged()
        assert found is not None
        self.folder.mkdir(parents=True, exist_ok=True)
        users = self.folder / "userlist.txt"
        users.write_text(f'"{USER}" "{self._postgres.password}"\n')
        file = self.folder / "pgbouncer.ini"
        here = {
            "listen_port": str(self.port),
            "listen_addr": "127.0.0.1",
            "auth_file": str(users),
            "unix_socket_dir": "",
        }
        text = FILE.read_text().replace(
            "host=postgres port=5432", f"host=127.0.0.1 port={self._postgres.port}"
        )
        for name, value in here.items():
            text = re.sub(rf"(?m)^{name} *=.*\n", "", text) + f"{name} = {value}\n"
        file.write_text(text)
        if identity:
            for path in (self.folder, users, file):
                os.chown(path, identity.uid, identity.gid)
        self.process = Process(
            [found, str(file)],
            log=self.folder / "pgbouncer.log",
            identity=identity,
            orphan_signal=signal.SIGINT,
        )
        self.process.start()
        wait_until(self.answers, self.process, "PgBouncer", 30.0)

    def answers(self) -> bool:
        try:
            url = self.through(self._postgres.url("postgres"))
            with psycopg.connect(url, connect_timeout=2, prepare_threshold=None) as connection:
                connection.execute("select 1")
        except psycopg.Error:
            return False
        return True

    def stop(self) -> None:
        if self.process is not None:
            self.process.stop(signal.SIGTERM, 3.0)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
