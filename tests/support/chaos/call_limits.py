"""The limits of upstreams, as the upstreams count them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from sandbox.upstreams.strict import worst
from tests.support.chaos.cluster import Cluster
from tests.support.chaos.plan import DAY_UPSTREAM, UPSTREAMS, WATCHED

Rows = list[dict[str, Any]]


def arrivals(cluster: Cluster, name: str) -> Rows:
    """What an upstream saw, restarts of it included: its clock is the machine's monotonic one."""
    file = cluster.folder / f"{name}.jsonl"
    lines = file.read_text().splitlines() if file.exists() else []
    found = []
    for line in lines:
        try:
            found.append(json.loads(line))
        except ValueError:
            # Killed in the middle of a line, which is the last of that life.
            continue
    return found


#: Permits whose calls may be in the window that ends then: a permit counts from its grant to its stamp.
PERMITS = """
select to_char(granted_at, 'SS.MS') as granted, to_char(stamp, 'SS.MS') as stamp, settled, status
  from permit where upstream = %s and stamp > to_timestamp(%s) and granted_at < to_timestamp(%s) order by id
"""


def windows(cluster: Cluster, sql: Any) -> Iterator[str]:
    """No window of any upstream above its limit, as the upstream counts."""
    for name, (limits, concurrency) in UPSTREAMS.items():
        seen = arrivals(cluster, name)
        for calls, per in limits:
            found = worst([row["at"] for row in seen], calls, per)
            if found.violations:
                yield f"{name}: {found.most} calls in {per:g} s (limit {calls}), {found.violations} times"
                yield from _first_window(name, seen, calls, per, sql)
        over = [row for row in seen if row["in_flight"] > concurrency]
        if over:
            yield f"{name}: {max(r['in_flight'] for r in over)} at once (limit {concurrency}), {len(over)} times"


def _first_window(name: str, seen: Rows, calls: int, per: float, sql: Any) -> Iterator[str]:
    """The calls of the first window that is too full, and the permits that they may have."""
    ordered = sorted(seen, key=lambda row: row["at"])
    for first, last in zip(ordered, ordered[calls:], strict=False):
        if last["at"] - first["at"] < per:
            came = [
                f"{row['wall'] % 60:.3f}" for row in ordered if first["at"] <= row["at"] <= last["at"]
            ]
            rows = sql.execute(PERMITS, (name, first["wall"] - 8, last["wall"])).fetchall()
            yield f"{name}: came at {', '.join(came)}; permits: {[tuple(row.values()) for row in rows]}"
            return


def judged(cluster: Cluster, _: Any) -> Iterator[str]:
    """No call of a real watch was over a limit of its upstream, as its imitation judged it."""
    for name in WATCHED:
        over = [row for row in arrivals(cluster, name) if row["verdict"] != "allowed"]
        if over:
            yield f"{name}: {len(over)} calls over a limit, the first: {over[0]}"


def day(cluster: Cluster, _: Any) -> Iterator[str]:
    """No more calls in the day than people allowed at that time."""
    seen = sorted(row["wall"] for row in arrivals(cluster, DAY_UPSTREAM))
    ends = [since for since, _ in cluster.day_limits[1:]] + [float("inf")]
    for (_, calls), until in zip(cluster.day_limits, ends, strict=True):
        number = sum(at < until for at in seen)
        if number > calls:
            yield f"{DAY_UPSTREAM}: {number} calls in the day, {calls} were allowed then"


def paid(cluster: Cluster, sql: Any) -> Iterator[str]:
    """Every call that an upstream saw has its permit."""
    for name in (*UPSTREAMS, *WATCHED):
        # Calls first: one that comes between the two readings has its permit already.
        seen = len(arrivals(cluster, name))
        permits = sql.execute(
            "select count(*) as n from permit where upstream = %s", (name,)
        ).fetchone()["n"]
        if seen > permits:
            yield f"{name}: {seen} calls, {permits} permits"
