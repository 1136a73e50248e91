"""No-op and waiting jobs of oban; run by an environment of its own, see tests/support/bench_peers.py."""

import asyncio
import sys

from oban import Oban, worker
from oban.schema import install
from psycopg_pool import AsyncConnectionPool


async def main(dsn: str, number: int, seconds: float, slots: int) -> None:
    finished, over = 0, asyncio.Event()

    @worker(queue="bench")
    class Work:
        async def process(self, job):  # type: ignore[no-untyped-def]
            nonlocal finished
            if job.args["seconds"]:
                await asyncio.sleep(job.args["seconds"])
            finished += 1
            if finished == number:
                over.set()

    async with AsyncConnectionPool(conninfo=dsn, min_size=1, max_size=4, open=False) as pool:
        await install(pool)
        await Oban(pool=pool).enqueue_many([Work.new({"seconds": seconds}) for _ in range(number)])
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        async with Oban(pool=pool, queues={"bench": slots}):
            await over.wait()
        print("done", flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])))
