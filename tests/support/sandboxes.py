"""What the screen of a running sandbox says, typed in another terminal."""

from __future__ import annotations

import subprocess


def things_to_try(screen: str) -> list[str]:
    """The commands below "Try in another terminal", as they stand there."""
    _, _, below = screen.partition("Try in another terminal:\n")
    return [line.strip() for line in below.split("\n\n")[0].splitlines()]


def type_in_another_terminal(command: str) -> str:
    """Run a line as a login shell in `/` would: nothing of this process's environment."""
    done = subprocess.run(
        ["env", "-i", "PATH=/usr/bin:/bin", "HOME=/nonexistent", "sh", "-c", command],
        cwd="/", capture_output=True, text=True, timeout=100,
    )  # fmt: skip
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    return done.stdout + done.stderr
