"""`python -m sandbox.upstreams NAME --port N`: runs one imitation until it is stopped."""

from __future__ import annotations

import argparse
import asyncio
import random
import signal
from importlib import import_module
from pathlib import Path

from sandbox.upstreams.base import Faults, Imitation, application, too_many
from sandbox.upstreams.strict import Window

NAMES = ("dexscreener", "alpha_vantage", "head_fi", "generic")


def _limit(text: str) -> tuple[int, float]:
    calls, _, seconds = text.partition("/")
    return int(calls), float(seconds)


def _latency(text: str) -> tuple[float, float, float]:
    median, sigma, cap = (float(part) for part in text.removeprefix("lognormal:").split(","))
    return median / 1000, sigma, cap / 1000


def arguments() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.upstreams")
    parser.add_argument("name", nargs="?", choices=NAMES)
    parser.add_argument("--list", action="store_true", help="print the names, one a line")
    parser.add_argument("--port", type=int)
    parser.add_argument("--log", type=Path, help="file that arrivals are appended to (JSON lines)")
    parser.add_argument("--limit", type=_limit, action="append", help="calls/seconds, e.g. 60/6")
    parser.add_argument("--concurrency", type=int)
    parser.add_argument("--latency", type=_latency, help="lognormal:median_ms,sigma,cap_ms, one way")
    parser.add_argument("--faults", choices=("none", "mild", "wild"), default="none")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    if not given.list and (given.name is None or given.port is None):
        parser.error("name and --port are needed (or --list)")
    return given


async def serve(given: argparse.Namespace) -> None:
    """Serve until SIGTERM or SIGINT."""
    module = import_module(f"sandbox.upstreams.{given.name}")
    limits = given.limit if given.limit is not None else module.LIMITS
    imitation = Imitation(
        given.name,
        windows=[Window(*limit) for limit in limits],
        concurrency=given.concurrency,
        latency=given.latency,
        faults=Faults(given.faults),
        log_file=given.log,
        seed=given.seed,
        rng=random.Random(given.seed),
    )
    refuse = getattr(module, "refuse", too_many)
    application(imitation, module.respond, refuse).listen(given.port, "127.0.0.1")
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    await ended.wait()


if __name__ == "__main__":
    given = arguments()
    if given.list:
        print("\n".join(NAMES))
    else:
        asyncio.run(serve(given))
