"""`sandbox exec` chooses its ports, and somebody else is faster."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from sandbox import environment, executing
from sandbox.executing import execute, extras
from sandbox.ports import free_ports


@pytest.fixture
def handlers() -> Iterator[None]:
    """``exec`` installs handlers of its own; this process goes on."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


@pytest.mark.timeout(400)
@pytest.mark.usefixtures("handlers")
@pytest.mark.parametrize("name", ["valkey", "discord"])
def test_a_port_that_was_just_taken_is_chosen_anew(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path, name: str
) -> None:
    with socket.socket() as thief:
        thief.bind(("127.0.0.1", 0))
        thief.listen()
        chosen: list[dict[str, int]] = []

        def unlucky(names: Sequence[str]) -> dict[str, int]:
            ports = free_ports(names)
            if not chosen:
                ports[name] = thief.getsockname()[1]
            chosen.append(ports)
            return ports

        monkeypatch.setattr(environment, "free_ports", unlucky)
        # As if it had been taken after this look.
        monkeypatch.setattr(environment.Environment, "check_ports", lambda *_: None)
        status = execute(["touch", str(tmp_path / "done")], extras(""))

    said: Any = capfd.readouterr().err
    assert status == 0, said
    assert (tmp_path / "done").exists()
    assert len(chosen) == 2
    assert "another program took one of the ports" in said


def test_it_gives_up_after_a_few_attempts(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], handlers: None
) -> None:
    with socket.socket() as thief:
        thief.bind(("127.0.0.1", 0))
        thief.listen()
        port = thief.getsockname()[1]
        monkeypatch.setattr(
            environment, "free_ports", lambda names: {**free_ports(names), "valkey": port}
        )
        assert execute(["true"], extras("")) == 1

    said = capfd.readouterr().err
    assert f"port {port} for valkey is taken" in said
    assert said.count("another program took") == executing.MAX_ATTEMPTS - 1
