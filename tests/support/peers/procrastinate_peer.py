"""No-op and waiting jobs of procrastinate; run by an environment of its own, see tests/support/bench_peers.py."""

import asyncio
import sys

import procrastinate


async def main(dsn: str, number: int, seconds: float, slots: int) -> None:
    app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=dsn))

    @app.task(queue="bench")
    async def work(seconds: float) -> None:
        if seconds:
            await asyncio.sleep(seconds)

    async with app.open_async():
        await app.schema_manager.apply_schema_async()
        await work.batch_defer_async(*[{"seconds": seconds} for _ in range(number)])
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        await app.run_worker_async(concurrency=slots, wait=False, install_signal_handlers=False)
        print("done", flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])))
