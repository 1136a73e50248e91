"""How large pools should be: fair, never above a bound, never more than is ready."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from workers.pool.scaling import COOL_DOWN, Peak, Server, clamp, divide

QUEUES = ("prices", "listings", "upkeep")
SERVERS = st.lists(
    st.tuples(st.frozensets(st.sampled_from(QUEUES), min_size=1), st.integers(0, 6), st.integers(1, 9)),
    min_size=1,
    max_size=5,
).map(
    lambda rows: [
        Server(f"w{number}", queues, min(busy, high), high)
        for number, (queues, busy, high) in enumerate(rows)
    ]
)
READY = st.dictionaries(st.sampled_from(QUEUES), st.integers(0, 30))


@given(ready=READY, servers=SERVERS)
def test_nobody_exceeds_its_bound_and_nobody_drops_below_what_it_runs(
    ready: dict[str, int], servers: list[Server]
) -> None:
    loads = divide(ready, servers)

    assert all(one.busy <= loads[one.name] <= one.high for one in servers)


@given(ready=READY, servers=SERVERS)
def test_together_they_grow_by_no_more_than_is_ready(
    ready: dict[str, int], servers: list[Server]
) -> None:
    loads = divide(ready, servers)

    assert sum(loads.values()) - sum(one.busy for one in servers) <= sum(ready.values())


@given(ready=READY, servers=SERVERS)
def test_what_is_ready_is_served_unless_every_server_of_its_queue_is_full(
    ready: dict[str, int], servers: list[Server]
) -> None:
    loads = divide(ready, servers)
    given_out = sum(loads.values()) - sum(one.busy for one in servers)

    if given_out < sum(ready.values()):
        assert any(
            number and all(loads[one.name] == one.high for one in servers if queue in one.queues)
            for queue, number in ready.items()
        )


@given(number=st.integers(0, 60), busy=st.lists(st.integers(0, 5), min_size=2, max_size=4))
def test_workers_of_one_queue_differ_by_one_at_most_where_work_allows_it(
    number: int, busy: list[int]
) -> None:
    servers = [Server(f"w{n}", {"upkeep"}, each, 20) for n, each in enumerate(busy)]

    loads = divide({"upkeep": number}, servers)

    grown = [loads[one.name] for one in servers if loads[one.name] > one.busy]
    assert not grown or max(grown) - min(loads.values()) <= 1


@given(ready=READY, servers=SERVERS, seed=st.randoms())
def test_every_worker_computes_the_same(
    ready: dict[str, int], servers: list[Server], seed: object
) -> None:
    shuffled = servers[:]
    seed.shuffle(shuffled)  # type: ignore[attr-defined]

    assert divide(ready, shuffled) == divide(dict(reversed(ready.items())), servers)


def test_three_workers_share_nine_batches_three_by_three() -> None:
    servers = [Server(name, {"prices"}, 0, 8) for name in "abc"]

    assert divide({"prices": 9}, servers) == {"a": 3, "b": 3, "c": 3}


def test_a_size_stays_within_its_bounds() -> None:
    assert [clamp(wanted, 2, 8) for wanted in (0, 2, 5, 9)] == [2, 2, 5, 8]


@given(
    seen=st.lists(
        st.tuples(st.floats(0, 20, allow_nan=False), st.integers(0, 9)), min_size=1, max_size=30
    )
)
def test_the_peak_is_the_most_of_the_last_seconds(seen: list[tuple[float, int]]) -> None:
    peak, now, past = Peak(), 0.0, []

    for pause, wanted in seen:
        now += pause
        past.append((now, wanted))
        assert peak.of(wanted, now) == max(most for at, most in past if at > now - COOL_DOWN)
