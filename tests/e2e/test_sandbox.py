"""The sandbox as a person uses it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from sandbox import folders
from sandbox.processes import Process
from tests.support.processes import free_base

ROOT = Path(__file__).parents[2]


def sandbox(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sandbox", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=170,
    )


def test_exec_gives_a_command_the_servers_and_returns_its_exit_code() -> None:
    script = (
        "import os, psycopg, redis, sys\n"
        "with psycopg.connect('') as c: print(c.execute('select count(*) from schedule').fetchone())\n"
        "with redis.Redis.from_url(os.environ['WATCHKEEPER_BROKER_URL']) as r: print(r.ping())\n"
        "sys.exit(7)"
    )

    done = sandbox("exec", "--", sys.executable, "-c", script)

    assert done.returncode == 7, done.stderr
    assert "True" in done.stdout


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        done = sandbox("run", "--data", str(tmp_path), "--port-base", str(port))

    assert done.returncode == 1
    assert f"port {port} for postgres is taken" in done.stdout


def test_killing_the_sandbox_leaves_no_process_behind(eventually: Any, tmp_path: Path) -> None:
    with folders.temporary("watchkeeper-kill-") as folder:
        process = Process(
            [sys.executable, "-m", "sandbox", "run", "--data", str(folder / "data"),
             "--port-base", str(free_base())],
            log=tmp_path / "sandbox.log", cwd=ROOT,
        )  # fmt: skip
        process.start()
        try:
            eventually(
                lambda: "Watchkeeper is up" in process.tail(40) or not process.running, within=120
            )
            assert members(folder), process.tail(40)

            os.kill(process.pid, signal.SIGKILL)

            eventually(lambda: not members(folder), within=15)
        finally:
            process.stop()


def members(folder: Path) -> list[str]:
    """Processes whose command line or environment names the folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            command, env = (path / "cmdline").read_bytes(), (path / "environ").read_bytes()
        except OSError:
            continue
        text = command + env
        if str(folder).encode() in text and b"pytest" not in text.split(b"\0")[0:4]:
            found.append(command.replace(b"\0", b" ").decode())
    return found
