"""Open browsers: what 20 tabs cost the console and Postgres, when nothing runs and at ten runs a second.

Each tab holds one stream and fetches its page again as console/static/app.js does, or is one of Chromium (--chromium),
in a browser context of its own.  Percent of one core, without what the runs themselves cost Postgres; `fetches_per_s`
of all tabs together.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import shutil
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx2
from playwright.async_api import Page, Request, async_playwright

from console.security.credentials import new_secret
from sandbox.ports import free_port
from tests.support.bench_environment import BenchEnvironment, bench_environment, say, tree_cpu
from tests.support.tools import need
from tests.support.waiting import wait_for
from workers.upstreams.browser import PROGRAMS

#: Pages of the tabs, with what their live part names (data-live).
PAGES = (("/schedules", "schedule:* run:*"), ("/runs", "run:*"), ("/", "schedule:* run:* upstream:* process:*"),
         ("/schedules/s-1", "schedule:s-1"), ("/budgets", "upstream:* quota:* run:*"))  # fmt: skip
#: As in app.js: keys that are few, and seconds between two fetches of a part.
FEW, CHANGED, BURST = 20, 1.0, 5.0
PER_SECOND = 10
BEGIN = """
with made as (insert into run (id, schedule, task, trigger, due_at, state, queue, created_at, started_at, batch_count, open_batches)
    select gen_random_uuid(), 's-' || (%(second)s * 10 + n) %% 100, 'tests.noop', 'schedule', clock_timestamp() + n * interval '1 us',
           'running', 'upkeep', clock_timestamp(), clock_timestamp(), 1, 1 from generate_series(1, %(number)s) n returning id)
insert into batch (run_id, seq, task, queue, state, lease_until) select id, 0, 'tests.noop', 'upkeep', 'running', 'infinity' from made
"""
END = (
    "update batch set state = 'done', lease_until = null where state = 'running'",
    """update run set state = 'succeeded', finished_at = clock_timestamp(), result = '{"summary": "3 found"}', open_batches = 0
        where state = 'running'""",
    """update schedule_state st set last_run_at = r.created_at, last_run_id = r.id, last_state = r.state from run r
        where r.schedule = st.schedule and r.finished_at > clock_timestamp() - interval '1 second'""",
)


class Tab:
    def __init__(self, client: httpx2.AsyncClient, path: str, live: str) -> None:
        self.client, self.path, self.wanted = client, path, live.split()
        self.fetched, self.fetches = float("-inf"), 0
        self._due: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def _matches(self, keys: list[str]) -> bool:
        return any(key == "*" or key == one or (one.endswith("*") and key.startswith(one[:-1]))
                   for key in keys for one in self.wanted)  # fmt: skip

    async def run(self) -> None:
        async with self.client.stream("GET", "/events", timeout=None) as answer:
            event = ""
            async for line in answer.aiter_lines():
                name, _, data = line.partition(": ")
                if name == "event":
                    event = data
                elif (
                    name == "data"
                    and event in {"changed", "edited"}
                    and self._matches(keys := json.loads(data))
                ):
                    self._want(CHANGED if len(keys) <= FEW else BURST)

    def _want(self, gap: float) -> None:
        loop = asyncio.get_running_loop()
        at = max(loop.time(), self.fetched + gap)
        if self._due is not None and self._due.when() <= at:
            return
        if self._due is not None:
            self._due.cancel()
        self._due = loop.call_at(at, self._begin)

    def _begin(self) -> None:
        self._due, self.fetched = None, asyncio.get_running_loop().time()
        task = asyncio.create_task(self._fetch())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _fetch(self) -> None:
        answer = await self.client.get(self.path, headers={"hx-request": "true"})
        assert answer.status_code == 200, answer.text
        self.fetches += 1


class ChromiumTab:
    """A page that is open in Chromium; counts how often parts of it are fetched again."""

    def __init__(self, page: Page) -> None:
        self.fetches = 0
        page.on("request", self._count)

    def _count(self, request: Request) -> None:
        self.fetches += "hx-request" in request.headers


@asynccontextmanager
async def chromium_tabs(address: str, secret: str, number: int) -> AsyncIterator[list[ChromiumTab]]:
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    need(program, "Chromium (apt-get install chromium)")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        made = []
        for place in range(number):
            # A context of its own: pages of one context share six connections.
            context = await browser.new_context(base_url=address)
            await context.add_cookies([{"name": "watchkeeper", "value": secret, "url": address}])
            page = await context.new_page()
            made.append(ChromiumTab(page))
            await page.goto(PAGES[place % len(PAGES)][0], timeout=120_000)
        await asyncio.sleep(10)
        yield made
        await browser.close()


@asynccontextmanager
async def tabs(address: str, secret: str, number: int) -> AsyncIterator[list[Tab]]:
    async with contextlib.AsyncExitStack() as stack:
        made = []
        for place in range(number):
            client = httpx2.AsyncClient(base_url=address, cookies={"watchkeeper": secret}, timeout=60)
            made.append(Tab(await stack.enter_async_context(client), *PAGES[place % len(PAGES)]))
            assert (await client.get(made[-1].path)).status_code == 200
        tasks = [asyncio.create_task(tab.run()) for tab in made]
        await asyncio.sleep(3)
        yield made
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def runs(bench: BenchEnvironment, seconds: float) -> None:
    """Ten runs a second, each of half a second."""
    until = time.monotonic() + seconds
    second = 0
    while time.monotonic() < until:
        bench.sql.execute(BEGIN, {"second": second, "number": PER_SECOND})
        await asyncio.sleep(0.5)
        for statement in END:
            bench.sql.execute(statement)
        await asyncio.sleep(0.5)
        second += 1


async def measured(
    bench: BenchEnvironment,
    console: int,
    found: Sequence[Tab | ChromiumTab],
    seconds: float,
    busy: bool,
) -> dict[str, float]:
    began = time.monotonic()
    used = (tree_cpu(console), bench.postgres_cpu(), sum(tab.fetches for tab in found))
    await (runs(bench, seconds) if busy else asyncio.sleep(seconds))
    passed = time.monotonic() - began
    return {
        "console_percent": round(100 * (tree_cpu(console) - used[0]) / passed, 1),
        "postgres_percent": round(100 * (bench.postgres_cpu() - used[1]) / passed, 1),
        "fetches_per_s": round((sum(tab.fetches for tab in found) - used[2]) / passed, 1),
    }


async def compare(bench: BenchEnvironment, address: str, secret: str, console: int, given: Any) -> None:
    for busy in (False, True):
        alone = await measured(bench, console, [], given.seconds, busy)
        opened = chromium_tabs if given.chromium else tabs
        async with opened(address, secret, given.tabs) as found:
            some = await measured(bench, console, found, given.seconds, busy)
        some["postgres_percent"] = round(some["postgres_percent"] - alone["postgres_percent"], 1)
        say(
            "console_tabs",
            tabs=given.tabs,
            chromium=given.chromium,
            runs_per_s=PER_SECOND if busy else 0,
            **some,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--tabs", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--chromium", action="store_true", help="tabs of Chromium, not light clients")
    given = parser.parse_args()
    with bench_environment() as bench:
        bench.load(100, "interval '1 hour'")
        secret, hashed = new_secret()
        bench.sql.execute("insert into console.person (name, role) values ('bench', 'operator')")
        bench.sql.execute("insert into console.session (hash, person, expires_at)"
                          " values (%s, 'bench', now() + interval '1 hour')", (hashed,))  # fmt: skip
        address = f"http://127.0.0.1:{free_port()}"
        served = bench.program(
            "console", "celery", "-A", "workers.app", "console", "--port", address.rpartition(":")[2],
            WATCHKEEPER_DATABASE_URL=bench.postgres.login("console"), WATCHKEEPER_LOG_LEVEL="WARNING",
        )  # fmt: skip

        def is_up() -> bool:
            with contextlib.suppress(httpx2.TransportError):
                return httpx2.get(f"{address}/live").status_code == 200
            return False

        wait_for(lambda: is_up() or not served.running, 60)
        assert served.running, served.tail(20)
        asyncio.run(compare(bench, address, secret, served.pid, given))


if __name__ == "__main__":
    sys.exit(main())
