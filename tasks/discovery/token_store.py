"""Filters the tokens of a run and stores them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from tasks.discovery import matching, token_pools, token_sightings, token_snapshots, tokens
from tasks.discovery.pairs import Pair, best, oldest
from tasks.discovery.token_addresses import normalise
from tasks.discovery.token_filters import Limits, rejection
from workers.execution import Item


@dataclass(slots=True)
class Found:
    item: Item
    #: All pools with the token as their base, and the best of them with the age of the oldest.
    pairs: list[Pair]
    pair: Pair | None
    #: Why it is rejected, or None.
    why: str | None


#: Why a known token that surveillance refreshes is not chosen again.
ONLY_REFRESHED = "no feed names it now: refreshed only"


def judge(item: Item, pairs: dict[str, list[Pair]], limits: Limits, now: datetime) -> Found:
    address = item.data["address"]
    own = [pair for pair in pairs.get(normalise(address), []) if pair.chain == item.data["chain"]]
    pair = best(own)
    if pair is not None:
        # A token that moved to another exchange is as old as its first pool.
        pair = replace(pair, created_at=oldest(own))
    if not item.data["feeds"]:
        return Found(item, own, pair, ONLY_REFRESHED)
    return Found(item, own, pair, rejection(address, pair, limits, now))


def failed(item: Item, error: Exception) -> Found:
    """A token whose look-up failed; its stored values stay."""
    return Found(item, [], None, f"look-up failed: {error}"[:500])


def store(
    connection: Connection,
    run_id: UUID,
    found: Sequence[Found],
    limit: int,
    now: datetime,
    due_at: datetime | None = None,
) -> dict[str, int]:
    """Store tokens, pools, snapshots and sightings, and ask the rules; counts for the run.

    At most ``limit`` tokens of the run are chosen.  ``due_at``: the run's; without it ``now``.
    """
    rows = [(_token(one, run_id, now), bool(one.item.data["feeds"])) for one in found]
    before = tokens.lock(connection, [row for row, _ in rows])
    ids: dict[str, tuple[int, bool]] = {}
    for seen in (True, False):
        ids |= tokens.upsert(connection, [row for row, is_seen in rows if is_seen is seen], seen=seen)
    sightings = [
        {**_sighting(one, run_id, *ids[one.item.key]), "due_at": due_at or now} for one in found
    ]
    named = [(*ids[one.item.key], one.item.key, one.pair) for one in found if one.pair is not None]
    token_sightings.add(connection, sightings)
    token_snapshots.add(connection, run_id, [(token_id, pair) for token_id, _, _, pair in named])
    pools = [(ids[one.item.key][0], pair) for one in found for pair in one.pairs]
    token_pools.upsert(connection, pools)
    chosen = token_sightings.choose(connection, run_id, limit)
    seen_tokens = [
        matching.Seen(token_id, is_new, pair.url, before.get(key), now)
        for token_id, is_new, key, pair in named
    ]
    matched, _ = matching.judge(connection, run_id, seen_tokens)
    new = sum(one["is_new"] for one in sightings)
    return {"new": new, "updated": len(sightings) - new, "chosen": chosen, "matches": matched}


def _sighting(one: Found, run_id: UUID, token_id: int, is_new: bool) -> dict[str, Any]:
    return {
        "run_id": run_id,
        "token_id": token_id,
        "is_new": is_new,
        "passed": one.why is None,
        "chosen": False,
        "rejected_because": one.why,
        "volume_h24": one.pair.volume_h24 if one.pair else None,
        "feeds": one.item.data["feeds"],
    }


def _token(one: Found, run_id: UUID, now: datetime) -> dict[str, Any]:
    data = one.item.data
    return {
        "chain": data["chain"],
        "address_key": normalise(data["address"]),
        "address": data["address"],
        "first_run_id": run_id,
        "last_checked_at": now,
        "links": data.get("links") or None,
        "boost_amount": data.get("boost_amount"),
        "boost_total": data.get("boost_total"),
        **tokens.values_of(one.pair),
    }
