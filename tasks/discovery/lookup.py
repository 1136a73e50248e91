"""Looks tokens up, several in a call, and stores them call by call."""

from collections.abc import Sequence
from datetime import datetime
from itertools import islice
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from tasks.discovery import token_profiles, token_sightings, token_store, tokens
from tasks.discovery.pairs import Pair
from tasks.discovery.sources import dexscreener
from tasks.discovery.sources.dexscreener import Orders
from tasks.discovery.token_addresses import normalise
from tasks.discovery.token_store import Found
from workers.db import is_passing
from workers.errors import Blocked, BrokenResponse, NotFound, RateLimited, UpstreamError
from workers.execution import Item, Work
from workers.upstreams import UpstreamClient


def look_up(work: Work[Any]) -> None:
    now = work.now()
    work.each_group(_next_group, lambda part, group: _look_at(part, group, now))
    work.each(_ask_for_orders)


def _group_size(item: Item) -> int:
    """How many tokens to ask for together with this one: fewer after a bad answer."""
    return int(item.data.get("most", dexscreener.MAX_ADDRESSES))


def _next_group(batch: Sequence[Item]) -> list[Item]:
    waiting = [item for item in batch if not item.data.get("stored")]
    if not waiting:
        return []
    chain, size = waiting[0].data["chain"], _group_size(waiting[0])
    alike = (one for one in waiting if one.data["chain"] == chain and _group_size(one) == size)
    return list(islice(alike, size))


def _look_at(work: Work[Any], group: list[Item], now: datetime) -> None:
    """Ask for a group and store it, or leave it to be asked for in smaller groups."""
    try:
        pairs = _fetch(work.client, group)
    except (RateLimited, Blocked):
        raise
    except UpstreamError as error:
        if len(group) > 1 and isinstance(error, (BrokenResponse, NotFound)):
            _ask_for_fewer(work, group, 1)
        else:
            _fail(work, group, error, now)
        return
    if pairs is None:
        _ask_for_fewer(work, group, (len(group) + 1) // 2)
    else:
        _keep(work, [token_store.judge(item, pairs, work.options, now) for item in group], now)


def _fetch(client: UpstreamClient, group: list[Item]) -> dict[str, list[Pair]] | None:
    chain, addresses = group[0].data["chain"], [item.data["address"] for item in group]
    pairs = None
    if _group_size(group[0]) > 1:
        pairs = dexscreener.fetch_pairs(client, chain, addresses)
    if pairs is None and len(group) == 1:
        return dexscreener.fetch_pools(client, chain, addresses[0])
    return pairs


def _ask_for_fewer(work: Work[Any], group: list[Item], size: int) -> None:
    """Store the smaller size with the items, so that a continued batch does not repeat the call."""
    with work.save(*group, most=size):
        pass


def _fail(work: Work[Any], group: list[Item], error: UpstreamError, now: datetime) -> None:
    with work.failing(*group, error=str(error)) as connection:
        _store(work, connection, [token_store.failed(item, error) for item in group], now)


def _keep(work: Work[Any], found: list[Found], now: datetime) -> None:
    """Store what was found; one by one when Postgres refuses it, so that only the bad token fails."""
    orders = work.options.look_at_orders
    for one in found if orders else ():
        if one.why is None:
            # Not done yet: its orders are asked for when all tokens are stored.
            with work.attempt(one.item), work.save(one.item, stored=True) as connection:
                _store(work, connection, [one], now)
    rest = [one for one in found if not (orders and one.why is None)]
    with work.attempt(*(one.item for one in rest)):
        try:
            _finish(work, rest, now)
        except DBAPIError as error:
            if is_passing(error):
                raise
            for one in rest:
                with work.attempt(one.item):
                    _finish(work, [one], now)


def _finish(work: Work[Any], found: list[Found], now: datetime) -> None:
    if found:
        with work.done(*(one.item for one in found)) as connection:
            _store(work, connection, found, now)


def _store(work: Work[Any], connection: Connection, found: list[Found], now: datetime) -> None:
    options = work.options
    counts = token_store.store(connection, work.run_id, found, options.max_tokens, now, work.due_at)
    work.count(found=len(found), **counts)
    if options.profile_immediately:
        token_profiles.ask(
            connection,
            work.run_id,
            minutes=options.early_window_minutes,
            profit=options.min_profit_pct,
        )


def _ask_for_orders(work: Work[Any], item: Item) -> None:
    """Ask for the orders of a token that is among the chosen ones so far: a call a token."""
    with work.read() as connection:
        chosen = item.key in token_sightings.chosen(connection, work.run_id)
    orders = _orders(work.client, item) if chosen else None
    with work.done(item) as connection:
        if orders is not None:
            chain, address = item.data["chain"], item.data["address"]
            tokens.store_orders(connection, chain, normalise(address), orders)


def _orders(client: UpstreamClient, item: Item) -> Orders:
    try:
        return dexscreener.fetch_orders(client, item.data["chain"], item.data["address"])
    except NotFound:
        # Nobody has paid for it.
        return Orders()
