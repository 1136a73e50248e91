"""What the threads of one process share: connections, clients, caches, secrets; and what they do not."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
import structlog
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import QueuePool

from tests.support.threads import at_once
from workers import db, redaction
from workers.execution import Item, Work
from workers.upstreams import CallOptions, UpstreamClient, robots_files, upstreams

THREADS = 64


class Gathering:
    """A server that answers nobody until so many have asked; it counts addresses and connections."""

    def __init__(self, number: int) -> None:
        self.paths: list[str] = []
        self.connections = 0
        self.all_here = threading.Event()
        self.go = threading.Event()
        self._number = number
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                peer, _ = self._listener.accept()
                self.connections += 1
                threading.Thread(target=self._serve, args=(peer,), daemon=True).start()

    def _serve(self, peer: socket.socket) -> None:
        with peer, suppress(OSError):
            while head := peer.recv(65536):
                path = head.split(b" ")[1].decode()
                self.paths.append(path)
                if path != "/robots.txt":
                    if len(self.paths) - self.paths.count("/robots.txt") >= self._number:
                        self.all_here.set()
                    self.go.wait(30)
                body = b"User-agent: *\nDisallow: /private\n" if path == "/robots.txt" else b"ok"
                peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))

    def close(self) -> None:
        self.go.set()
        self._listener.close()


@pytest.fixture
def gathering(database: Any, connection: Any) -> Iterator[Gathering]:
    server = Gathering(THREADS)
    connection.execute(
        "insert into upstream (name, base_url, concurrency, obey_robots) values ('shop', %s, 500, true)",
        (server.url,),
    )
    yield server
    server.close()


def pools() -> list[QueuePool]:
    """Of transactions, and of short statements."""
    found = [db.engine().pool, db._short_engine().pool]
    return [one for one in found if isinstance(one, QueuePool)]


def backends(connection: Any) -> int:
    """Connections of the process under test."""
    row = connection.execute(
        "select count(*) as n from pg_stat_activity where application_name = 'watchkeeper'"
        " and datname = current_database()"
    ).fetchone()
    return int(row["n"])


def test_64_calls_in_flight_hold_no_connection_and_share_robots_txt(
    gathering: Gathering, connection: Any
) -> None:
    held: list[int] = []

    def watch() -> None:
        gathering.all_here.wait(60)
        held.append(sum(pool.checkedout() for pool in pools()))
        gathering.go.set()

    watching = threading.Thread(target=watch)
    watching.start()
    answers = at_once(
        THREADS, lambda n: UpstreamClient().get("shop", f"/{n}", CallOptions(timeout=60)).text
    )
    watching.join()

    assert answers == ["ok"] * THREADS
    assert held == [0]
    assert gathering.paths.count("/robots.txt") == 1
    assert 1 <= backends(connection) <= 4


def test_kept_connections_serve_whichever_thread_calls_next(gathering: Gathering) -> None:
    gathering.go.set()
    at_once(8, lambda n: UpstreamClient().get("shop", f"/{n}"))
    opened = gathering.connections

    for n in range(20):
        UpstreamClient().get("shop", f"/again/{n}")

    assert gathering.connections == opened


def test_rules_of_upstreams_are_read_once_for_all_that_ask(
    gathering: Gathering, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = []

    @contextmanager
    def counted() -> Iterator[db.Driver]:
        read.append(threading.get_ident())
        with db.driver_connect() as connection:
            yield connection

    monkeypatch.setattr(upstreams, "driver_connect", counted)
    upstreams.known.forget()

    at_once(THREADS, lambda _: upstreams.described("shop"))

    assert len(read) == 1


def test_robots_txt_that_cannot_be_read_is_tried_by_the_next_that_waits(gathering: Gathering) -> None:
    gathering.go.set()
    failed = threading.Event()

    def fetch(request: Any) -> Any:
        if not failed.is_set():
            failed.set()
            raise InterruptedError("the first that asks ends here")
        client = UpstreamClient()
        return client._follow(request, client._begin(30.0))

    def ask(_: int) -> bool:
        request = upstreams_request(gathering.url)
        try:
            robots_files.obey(request, gathering.url, time.monotonic() + 30, fetch)
        except InterruptedError:
            return False
        return True

    assert sorted(at_once(4, ask)) == [False, True, True, True]
    assert gathering.paths == ["/robots.txt"]


def upstreams_request(url: str) -> Any:
    from workers.upstreams.requests import Request

    return Request("shop", "GET", f"{url}/page")


def test_no_call_is_made_inside_a_transaction(gathering: Gathering) -> None:
    with pytest.raises(RuntimeError, match="inside a transaction"), db.transaction():
        UpstreamClient().get("shop", "/1")


def test_a_pool_whose_server_ended_every_connection_fails_nobody(
    database: Any, connection: Any, eventually: Any
) -> None:
    def one(_: int) -> int:
        with db.transaction() as session:
            return int(session.execute(text("select 1")).scalar_one())

    at_once(16, one)
    connection.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'watchkeeper'"
        " and datname = current_database()"
    )
    eventually(lambda: backends(connection) == 0)

    assert at_once(16, one) == [1] * 16


def test_a_thread_that_gets_no_connection_in_time_is_told_that_postgres_is_away(
    database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHKEEPER_CONNECTIONS", "2")
    from workers.settings import settings

    settings.cache_clear()
    db.reset()
    monkeypatch.setattr(db, "MAX_QUEUED", 0.1)

    def second(_: int) -> None:
        with db.transaction():
            pass

    with db.transaction(), pytest.raises(OperationalError, match="no connection was free") as told:
        at_once(1, second)

    assert db.is_lost(told.value)


def test_a_connection_serves_one_thread_at_a_time(database: Any) -> None:
    using: dict[int, int] = {}
    crossed: list[int] = []

    def work(_: int) -> None:
        me = threading.get_ident()
        for _ in range(10):
            with db.driver_transaction() as connection:
                if using.setdefault(id(connection), me) != me:
                    crossed.append(me)
                connection.execute("select pg_sleep(0.001)")
                del using[id(connection)]

    at_once(32, work)

    assert crossed == []
    assert [pool.size() for pool in pools()] == [2, 2]
    assert max(pool.overflow() for pool in pools()) <= 0


def test_secrets_learned_while_others_write_are_masked_and_break_nothing() -> None:
    before = redaction._known

    def learn_and_redact(nth: int) -> bool:
        for number in range(50):
            secret = f"sesame-{nth}-{number}-open"
            redaction.remember([secret])
            if secret in redaction.redact(f"it says {secret} here"):
                return False
        return True

    try:
        assert all(at_once(16, learn_and_redact))
    finally:
        redaction._known = before


def test_lines_of_batches_worked_at_once_bear_each_its_own_run(
    new_run: Any, work: Any, caplog: pytest.LogCaptureFixture
) -> None:
    from workers import logs

    runs = [new_run("tests.counting", items=2) for _ in range(16)]
    seen: list[tuple[str, Any]] = []

    def note(_: Any, __: str, event: dict[str, Any]) -> dict[str, Any]:
        seen.append((threading.current_thread().name, event.get("run_id")))
        return event

    logs.configure()
    structlog.configure(processors=[structlog.contextvars.merge_contextvars, note, structlog.processors.JSONRenderer()])  # fmt: skip
    try:
        at_once(16, lambda n: work(runs[n]))
    finally:
        logs.configure()

    assert {run for _, run in seen} == {str(run) for run in runs}
    assert len({(thread, run) for thread, run in seen}) == 16
    assert not structlog.contextvars.get_contextvars()
    logging.getLogger().handlers.clear()


@pytest.fixture
def pair(kinds: Any, new_run: Any) -> Any:
    """A kind of two items at once, of which the second one's transaction is rolled back."""
    both_written = threading.Barrier(2)

    def two(work: Work[Any]) -> None:
        def do(part: Work[Any], item: Item) -> None:
            if item.key == "i1":
                with part.done(item, counted=1) as connection:
                    part.note(seen=True)
                    part.count(counted=1)
                    connection.execute(
                        text("insert into effect (run_id, item) values (:run, 'i1')"),
                        {"run": work.run_id},
                    )
                    raise ValueError("this one is rolled back")
            both_written.wait(10)
            with part.done(item, counted=1) as connection:
                connection.execute(
                    text("insert into effect (run_id, item) values (:run, :item)"),
                    {"run": work.run_id, "item": item.key},
                )

        def guarded(part: Work[Any], item: Item) -> None:
            try:
                do(part, item)
            except ValueError:
                # Before the other's commit: what it writes must not hold what was rolled back here.
                assert (item.state, item.data, item.counts) == ("waiting", {}, {})
                both_written.wait(10)
                raise

        work.each(guarded)

    task = kinds.app.tasks["tests.counting"]
    before = task.run, type(task).in_flight
    task.run, type(task).in_flight = two, 2
    yield task
    task.run, type(task).in_flight = before


def test_of_two_items_at_once_one_rolls_back_and_only_the_other_is_stored(
    pair: Any, new_run: Any, work: Any, row: Any, connection: Any, effects: Any
) -> None:
    run_id = new_run("tests.counting", items=2)

    work(run_id)

    ended = row(run_id)
    assert (ended["state"], ended["done"], ended["failed"]) == ("partial", 1, 1)
    assert effects() == ["i0"]
    items = connection.execute("select items from batch where run_id = %s", (run_id,)).fetchone()
    assert items["items"] == [
        {"key": "i0", "state": "done", "counts": {"counted": 1}},
        {"key": "i1", "state": "failed", "error": "ValueError: this one is rolled back"},
    ]


def test_the_object_of_a_task_is_the_same_before_and_after_many_batches_at_once(
    kinds: Any, new_run: Any, work: Any, row: Any
) -> None:
    task = kinds.app.tasks["tests.counting"]
    # Celery makes the empty one at the first question.
    assert task.request.id is None
    before = {**vars(task)}, {**vars(type(task))}
    runs = [new_run("tests.counting", items=1 + n % 4, note=f"run {n}") for n in range(16)]
    requests: list[Any] = []

    def one(nth: int) -> None:
        work(runs[nth])
        requests.append(task.request.id)

    at_once(len(runs), one)

    assert [row(run_id)["done"] for run_id in runs] == [1 + n % 4 for n in range(16)]
    assert ({**vars(task)}, {**vars(type(task))}) == before
    assert requests == [None] * 16
