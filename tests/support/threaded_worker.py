"""Works runs, each in a thread of this process, without beat and broker: what many slots share and cost.

``python -m tests.support.threaded_worker APPLICATION TASK THREADS`` reads the ids of runs, one a line, says
``ready``, waits for a line, and says ``done`` when the first batch of each has ended.
"""

from __future__ import annotations

import importlib
import queue
import sys
import threading

from workers import logs
from workers.connections import places


def main(application: str, task: str, threads: int) -> None:
    logs.configure()
    places.set_pool_size(1, threads)
    places.be_of_pool()
    app = importlib.import_module(application).app
    app.loader.import_default_modules()
    work = app.tasks[task]
    ids = [line.strip() for line in iter(sys.stdin.readline, "\n")]
    waiting: queue.SimpleQueue[str] = queue.SimpleQueue()
    for run_id in ids:
        waiting.put(run_id)

    def slot() -> None:
        while True:
            try:
                run_id = waiting.get_nowait()
            except queue.Empty:
                return
            work(run_id, 0)

    print("ready", flush=True)
    sys.stdin.readline()
    slots = [threading.Thread(target=slot) for _ in range(threads)]
    for one in slots:
        one.start()
    for one in slots:
        one.join()
    print("done", flush=True)
    sys.stdin.readline()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
