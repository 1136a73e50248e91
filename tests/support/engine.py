"""A container engine of its own on a bare Debian machine, and the compose stack on it."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "tests" / "engine"
OURS = ("beat", "discovery", "prices", "listings", "flower", "console")


class Engine:
    """The engine's folder, its namespace, and a checkout in which compose runs."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.checkout = folder, folder / "checkout"
        self.env = {
            **os.environ,
            "WATCHKEEPER_ENGINE_FOLDER": str(folder),
            "DOCKER_HOST": f"unix://{folder}/docker.sock",
            "DOCKER_CONFIG": f"{folder}/dockerconfig",
        }
        self.figures: dict[str, Any] = {}

    def script(self, name: str, *arguments: str, within: float = 900) -> str:
        return self.run(str(SCRIPTS / name), *arguments, within=within)

    def run(self, *command: str, within: float = 600, okay: bool = True) -> str:
        """The output of a command in the checkout, both streams; it must succeed unless not ``okay``."""
        where = self.checkout if self.checkout.exists() else ROOT
        # Into a file: what a script leaves running would hold a pipe open.
        with (self.folder / "output").open("w+") as file:
            done = subprocess.run(
                command,
                cwd=where,
                env=self.env,
                stdout=file,
                stderr=file,
                timeout=within,
                stdin=subprocess.DEVNULL,
            )
            file.seek(0)
            text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", file.read())
        assert not okay or done.returncode == 0, (
            f"{command} ended with {done.returncode}:\n{text[-4000:]}"
        )
        return text

    def compose(self, *arguments: str, okay: bool = True, within: float = 600) -> str:
        return self.run("docker", "compose", *arguments, okay=okay, within=within)

    def check_out(self) -> None:
        """What git knows of this project, as it is now."""
        shutil.rmtree(self.checkout, ignore_errors=True)
        files = subprocess.run(
            ["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True
        ).stdout.split(b"\0")
        for name in filter(None, files):
            source, target = ROOT / os.fsdecode(name), self.checkout / os.fsdecode(name)
            if source.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, target)
        self.recipe("Compose", lines=slice(0, 1))

    def build(self) -> None:
        """Build the image in the host's network, from which the package index is reached."""
        self.script("engine.sh", "down")
        self.script("engine.sh", "builder")
        self.script("standins.sh")
        files = ("-f", "docker-compose.yml", "-f", str(SCRIPTS / "build.yml"))
        self.run("docker", "compose", *files, "build", "-q", "migrate", within=1200)
        self.script("engine.sh", "down")
        self.script("engine.sh", "up")

    # -- The stack

    def containers(self, *services: str) -> list[str]:
        return self.compose("ps", "-aq", *services).split()

    def inspect(self, container: str) -> dict[str, Any]:
        (found,) = json.loads(self.run("docker", "inspect", container))
        assert isinstance(found, dict)
        return found

    def up(self) -> float:
        """Start everything; returns the seconds until every service was healthy."""
        began = time.monotonic()
        self.compose("up", "-d", "--wait", "--pull", "never")
        return round(time.monotonic() - began, 1)

    def sql(self, query: str) -> str:
        """The answer of psql, as the administrator."""
        psql = (
            "psql",
            "-v",
            "ON_ERROR_STOP=1",
            "-qtA",
            "-U",
            "watchkeeper",
            "-d",
            "watchkeeper",
            "-c",
            query,
        )
        return self.compose("exec", "-T", "postgres", *psql).strip()

    def eventually(self, condition: Callable[[], object], within: float = 120) -> float:
        """Wait for ``condition``; returns how long it took (seconds)."""
        began = time.monotonic()
        while not condition():
            assert time.monotonic() - began < within, f"not true within {within} s: {condition}"
            # Each look is a command of the client, which paces the loop.
        return round(time.monotonic() - began, 1)

    def processes(self, container: str) -> list[int]:
        """Process ids on this machine."""
        return [
            int(file.parent.name)
            for file in Path("/proc").glob("[0-9]*/cgroup")
            if file.exists() and container in file.read_text()
        ]

    def signal(self, number: signal.Signals, pids: list[int]) -> None:
        """To those that still live: a health check's process ends by itself."""
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def health(self, container: str) -> str:
        state = self.inspect(container)["State"]
        return f"{state['Status']} {state.get('Health', {}).get('Status', '')}".strip()

    def kill(self, *containers: str) -> None:
        """SIGKILL to each first process; `docker kill` would switch the restart policy off."""
        pids = [self.inspect(one)["State"]["Pid"] for one in containers]
        for pid in pids:
            os.kill(pid, signal.SIGKILL)

    def log_lines(self, *services: str) -> list[tuple[str, str]]:
        """Container and line."""
        return [
            (one, line)
            for one in self.containers(*services)
            for line in self.run("docker", "logs", one).splitlines()
        ]

    def status_of(self, port: int, path: str, login: str | None = None) -> int:
        """The HTTP status of a published port, asked from within the namespace."""
        options = ["-u", login] if login else []
        return int(
            self.run(
                "nsenter", f"--net=/run/netns/{self.env.get('NETNS', 'watchkeeper')}", "curl", "-s", "-o", "/dev/null",
                "-w", "%{http_code}", *options, f"http://127.0.0.1:{port}{path}",
            )
        )  # fmt: skip

    def recipe(self, heading: str, block: int = 0, *, lines: slice = slice(None)) -> None:
        """Run the lines of a code block of docs/production.md; a test compares calls and page."""
        for line in blocks(heading)[block].strip().splitlines()[lines]:
            self.run("bash", "-ec", line)

    def recipes(self, heading: str) -> None:
        """Run all blocks below this heading."""
        for block in range(len(blocks(heading))):
            self.recipe(heading, block)


def blocks(heading: str) -> list[str]:
    """The blocks of shell below a heading of docs/production.md."""
    page = (ROOT / "docs" / "production.md").read_text()
    (section,) = re.findall(
        rf"^#+ {re.escape(heading)}\n(.*?)(?=^##+ |\Z)", page, re.MULTILINE | re.DOTALL
    )
    return re.findall(r"^```sh\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
