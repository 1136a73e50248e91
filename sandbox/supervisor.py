"""Starts parts in order, restarts those that end, stops them in reverse order within a time limit."""

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from sandbox.processes import NotStarted, Process, wait_until
from workers.backoff import backoff

#: Pause before a part is restarted, doubled each time (seconds).
INITIAL_RESTART, MAX_RESTART = 0.5, 15.0
#: After this time of running, the next pause is the minimum again (seconds).
RECOVERED = 60.0
#: Time limit of a stop; parts that still run then are killed, but for those with a longer grace (seconds).
MAX_STOP = 8.0


@dataclass(slots=True)
class Part:
    """One supervised process; parts of one ``stage`` stop together, the highest stage and what started last first."""

    name: str
    process: Process
    ready: Callable[[], bool]
    stage: int
    stop_signal: int = signal.SIGTERM
    grace: float = 1.0
    started_at: float = field(default_factory=time.monotonic)
    restarts: int = 0
    again_at: float | None = None

    def wait_ready(self, seconds: float = 90.0) -> None:
        wait_until(self.ready, self.process, self.name, seconds)


@dataclass
class Supervisor:
    say: Callable[[str], None]
    parts: list[Part] = field(default_factory=list)

    def add(self, part: Part) -> None:
        self.parts.append(part)

    def wait_ready(self) -> None:
        for part in self.parts:
            part.wait_ready()
        for part in self.parts:
            if not part.process.running:
                # Another program answered on its port.
                raise NotStarted(
                    f"{part.name} ended with status {part.process.status}:\n{part.process.tail()}"
                )

    def watch(self) -> None:
        for part in self.parts:
            now = time.monotonic()
            if part.process.running:
                if part.restarts and now - part.started_at > RECOVERED:
                    part.restarts = 0
            elif part.again_at is None:
                pause = backoff(part.restarts + 1, INITIAL_RESTART, MAX_RESTART)
                part.again_at = now + pause
                self.say(
                    f"{part.name} ended with status {part.process.status}; again in {pause:.1f} s\n"
                    f"{part.process.tail(3)}"
                )
            elif now >= part.again_at:
                part.again_at, part.started_at = None, now
                part.restarts += 1
                part.process.start()

    def stop(self) -> None:
        until = time.monotonic() + MAX_STOP
        for stage in sorted({part.stage for part in self.parts}, reverse=True):
            self._stop_stage([part for part in self.parts if part.stage == stage], until)
        self.parts.clear()

    def _stop_stage(self, parts: list[Part], until: float) -> None:
        began = time.monotonic()
        for part in reversed(parts):
            part.process.send(part.stop_signal)
        for part in parts:
            # A server of data that is killed has to recover at the next start: others do not shorten its time.
            limit = began + part.grace if part.grace > MAX_STOP else min(began + part.grace, until)
            part.process.wait(max(0.1, limit - time.monotonic()))
        for part in parts:
            if part.process.running:
                self.say(f"{part.name} did not end in time and is killed")
                part.process.send(signal.SIGKILL)
            part.process.close_pipe()
        for part in parts:
            part.process.stop(grace=0.1)

    def force(self) -> None:
        for part in self.parts:
            part.process.close_pipe()
        for part in reversed(self.parts):
            part.process.wait(5.0)
