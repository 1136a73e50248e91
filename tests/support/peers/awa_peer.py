"""No-op and waiting jobs of awa; run by an environment of its own, see tests/support/bench_peers.py."""

import asyncio
import sys
from dataclasses import dataclass

from awa import AsyncClient


@dataclass
class Job:
    seconds: float


async def main(dsn: str, number: int, seconds: float, slots: int) -> None:
    client = AsyncClient(dsn)
    finished, over = 0, asyncio.Event()

    @client.task(Job, queue="bench")
    async def work(job):  # type: ignore[no-untyped-def]
        nonlocal finished
        if job.args.seconds:
            await asyncio.sleep(job.args.seconds)
        finished += 1
        if finished == number:
            over.set()

    await client.insert_many_copy([Job(seconds) for _ in range(number)], queue="bench")
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    await client.start([("bench", slots)])
    await over.wait()
    # The last outcomes are written after the handler has returned.
    await client.shutdown()
    print("done", flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])))
