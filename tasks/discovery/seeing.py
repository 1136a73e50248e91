"""What a run makes of the tokens it looked up: judged one by one, then written together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from tasks.discovery import matching, token_pools, token_sightings, token_snapshots, tokens
from tasks.discovery.addresses import normalise
from tasks.discovery.filters import Limits, rejection
from tasks.discovery.pairs import Pair, best
from tasks.discovery.sources import dexscreener
from tasks.discovery.sources.dexscreener import Orders
from workers.errors import NotFound
from workers.upstream import Door
from workers.work import Item


@dataclass(slots=True)
class Found:
    """One token as a run saw it."""

    item: Item
    #: Every pool that has it as its base, and the one it is judged by.
    pairs: list[Pair]
    pair: Pair | None
    #: The filter that rejects it, or None.
    why: str | None
    orders: Orders | None = None


def judge(item: Item, pairs: dict[str, list[Pair]], limits: Limits, now: datetime) -> Found:
    """What the filters make of a token."""
    address = item.data["address"]
    own = pairs.get(normalise(address), [])
    pair = best(own)
    return Found(item, own, pair, rejection(address, pair, limits, now))


def ask_for_orders(door: Door, found: Sequence[Found]) -> None:
    """Ask what was paid for the tokens that passed; a token nobody paid for has none."""
    for one in found:
        if one.why is None:
            try:
                data = one.item.data
                one.orders = dexscreener.fetch_orders(door, data["chain"], data["address"])
            except NotFound:
                one.orders = Orders()


def store(
    connection: Connection, run_id: UUID, found: Sequence[Found], most: int, now: datetime
) -> dict[str, int]:
    """Write tokens, pools, snapshots and sightings; how many are new, updated and chosen."""
    rows = [(_token(one, run_id, now), bool(one.item.data["feeds"])) for one in found]
    before = tokens.prices(connection, [row for row, _ in rows])
    ids: dict[str, tuple[int, bool]] = {}
    for seen in (True, False):
        ids |= tokens.upsert(connection, [row for row, is_seen in rows if is_seen is seen], seen=seen)
    sightings, snapshots, pools = [], [], []
    for one in found:
        token_id, is_new = ids[one.item.key]
        sightings.append(
            {
                "run_id": run_id,
                "token_id": token_id,
                "is_new": is_new,
                "passed": one.why is None,
                "chosen": False,
                "rejected_because": one.why,
                "volume_h24": one.pair.volume_h24 if one.pair else None,
                "feeds": one.item.data["feeds"],
            }
        )
        if one.pair is not None:
            snapshots.append(token_snapshots.row(token_id, run_id, one.pair))
        pools += [token_pools.row(token_id, pair) for pair in one.pairs]
    token_sightings.add(connection, sightings)
    token_snapshots.add(connection, snapshots)
    token_pools.upsert(connection, pools)
    new = sum(one["is_new"] for one in sightings)
    chosen = token_sightings.choose(connection, run_id, most)
    named = [
        matching.Seen(*ids[one.item.key], one.item.key, one.pair, before.get(one.item.key), now)
        for one in found
        if one.pair is not None
    ]
    matched, _ = matching.judge(connection, run_id, named)
    return {"new": new, "updated": len(sightings) - new, "chosen": chosen, "matches": matched}


def _token(one: Found, run_id: UUID, now: datetime) -> dict[str, Any]:
    data = one.item.data
    return {
        "chain": data["chain"],
        "address_key": normalise(data["address"]),
        "address": data["address"],
        "first_run_id": run_id,
        "last_checked_at": now,
        "links": data.get("links") or None,
        **tokens.values_of(one.pair),
        **tokens.values_of_orders(one.orders),
    }
