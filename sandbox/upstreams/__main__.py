"""`python -m sandbox.upstreams NAME --port N`: runs one imitation until it is stopped."""

import argparse
import asyncio
import json
import random
import signal
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sandbox.upstreams import chance
from sandbox.upstreams.base import Imitation, Limit, Reply, Request, Site, application, windows_of
from sandbox.upstreams.faults import Faults
from sandbox.upstreams.log import ArrivalLog

WEB = (
    "dexscreener", "geckoterminal", "alpha_vantage", "stooq", "head_fi", "discord", "generic",
)  # fmt: skip
NAMES = (*WEB, "smtp")
#: Longest body taken from a caller (bytes).
LARGEST = 1_000_000


def _limit(text: str) -> Limit:
    calls, _, rest = text.partition("/")
    seconds, _, group = rest.partition("/")
    return (int(calls), float(seconds), group) if group else (int(calls), float(seconds))


def _latency(text: str) -> tuple[float, float, float]:
    median, sigma, cap = (float(part) for part in text.removeprefix("lognormal:").split(","))
    if median <= 0 or sigma < 0 or cap <= 0:
        raise ValueError("latency must be above zero")
    return median / 1000, sigma, cap / 1000


def _fault(text: str) -> tuple[str, Any]:
    name, _, value = text.partition("=")
    return name, json.loads(value)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m sandbox.upstreams")
    parser.add_argument("name", nargs="?", help="one of --list, or a module that holds a SITE")
    parser.add_argument("--list", action="store_true", help="print the names, one a line")
    parser.add_argument("--port", type=int)
    parser.add_argument("--log", type=Path, help="file that arrivals are appended to (JSON lines)")
    parser.add_argument(
        "--limit", type=_limit, action="append", help="calls/seconds, e.g. 60/6; replaces its own"
    )
    parser.add_argument("--concurrency", type=int, help="calls inside at once")
    parser.add_argument("--latency", type=_latency, help="lognormal:median_ms,sigma,cap_ms, one way")
    parser.add_argument("--faults", choices=("none", "mild", "wild"), default="none")
    parser.add_argument(
        "--fault", type=_fault, action="append", default=[], help="as in /_control, e.g. down=5"
    )
    parser.add_argument("--accepted-only", action="store_true", help="refused calls do not count")
    parser.add_argument("--mailbox", type=Path, help="smtp: mbox file that messages are kept in")
    parser.add_argument("--control-port", type=int, help="smtp: where /_ready and the like answer")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    if not given.list and (given.name is None or given.port is None):
        parser.error("name and --port are needed (or --list)")
    if not given.list and given.name not in NAMES and not find_spec(given.name):
        parser.error(f"there is no imitation {given.name}: choose from {', '.join(NAMES)}")
    return given


def _imitation(site: Site, given: argparse.Namespace) -> Imitation:
    rng = random.Random(given.seed)
    made = Imitation(
        site,
        windows=windows_of(site.limits if given.limit is None else given.limit),
        concurrency=given.concurrency,
        latency=given.latency,
        faults=Faults(given.faults, rng=rng),
        log=ArrivalLog(given.log),
        rng=rng,
    )
    for window in made.windows:
        window.lenient = given.accepted_only
    made.order(dict(given.fault))
    return made


def _nothing_here(_request: Request) -> Reply:
    return 404, {}, b"only /_ready, /_messages and the like"


async def serve(given: argparse.Namespace) -> None:
    chance.use_seed(given.seed)
    web_port = given.port
    if given.name == "smtp":
        # Its library is a fifth of the start of the others.
        from sandbox.upstreams import smtp

        box = smtp.Mailbox(given.mailbox)
        extra = {"messages": lambda: list(box.messages)}
        imitation = _imitation(Site("smtp", _nothing_here, extra=extra), given)
        web_port = given.control_port
        server = await smtp.listen(imitation, box, given.port)
    else:
        module = f"sandbox.upstreams.{given.name}" if given.name in NAMES else given.name
        imitation = _imitation(import_module(module).SITE, given)
    if web_port is not None:
        application(imitation).listen(web_port, "127.0.0.1", max_body_size=LARGEST)
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    await ended.wait()
    if given.name == "smtp":
        server.close()


def main() -> None:
    given = arguments()
    if given.list:
        print("\n".join(NAMES))
    else:
        asyncio.run(serve(given))


if __name__ == "__main__":
    main()
