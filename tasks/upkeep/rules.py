"""What is kept how long: one rule a table, each deleting a few rows at a time.

Deleting is upkeep's own business, so the statements on tables of other domains stand here together:
a person who asks "where did my rows go?" finds the whole answer on one page.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from sqlalchemy import Connection, text

from tasks.listings import scrapes
from tasks.prices import bars, outcomes, quotes
from tasks.watches import matches

Delete = Callable[[Connection, datetime, int], int]


def _rows(table: str, key: str, where: str, order: str | None = None) -> Delete:
    """Delete up to ``limit`` rows of ``table`` that ``where`` names, skipping locked ones.

    ``order`` names an index that begins with the oldest; without one the table is read until enough
    are found.
    """
    ordered = f"order by {order}" if order else ""
    statement = text(
        f"delete from {table} where ({key}) in (select {key} from {table} where {where}"  # noqa: S608 - our words
        f" {ordered} limit :limit for update skip locked)"
    )

    def delete(connection: Connection, before: datetime, limit: int) -> int:
        return connection.execute(statement, {"before": before, "limit": limit}).rowcount

    return delete


#: A run goes with its batches.  Each schedule's newest stays, and what has not ended.
_NOT_NEWEST = """(run.schedule is null or exists (
    select from run later where later.schedule = run.schedule and later.created_at > run.created_at))"""
_GOOD = f"finished_at < :before and state not in ('failed', 'partial') and {_NOT_NEWEST}"
_BAD = f"finished_at < :before and state in ('failed', 'partial') and {_NOT_NEWEST}"
#: What a run saw goes after the run itself.
_RUN_GONE = """not exists (select from run where run.id = token_sighting.run_id)
    and cast(:before as timestamptz) is not null"""
#: What it asked for lives as long; early trades are out of reach after a day anyway.
_ASKED_BY_A_RUN_GONE = """asked_at < :before
    and not exists (select from run where run.id = token_profile.run_id)"""
#: Of snapshots older than a while the last one a day stays.
_NOT_LAST_OF_DAY = """taken_at < :before and exists (
    select from token_snapshot later where later.token_id = token_snapshot.token_id
       and later.taken_at > token_snapshot.taken_at
       and later.taken_at < date_trunc('day', token_snapshot.taken_at, 'UTC') + interval '1 day')"""


def _with_what_hangs_on_it(table: str, key: str, where: str, children: tuple[str, ...]) -> Delete:
    """Delete rows of ``table`` that ``where`` names, first what hangs on them: so many rows in all."""
    doomed = f"select id from {table} where {where} order by last_seen_at limit :limit"  # noqa: S608 - our words
    hanging = [
        text(
            f"with doomed as materialized ({doomed} for update skip locked)"  # noqa: S608
            f" delete from {child} where ctid = any(array(select {child}.ctid from doomed"
            f" join {child} on {child}.{key} = doomed.id limit :limit))"
        )
        for child in children
    ]
    itself = _rows(table, "id", where, "last_seen_at")

    def delete(connection: Connection, before: datetime, limit: int) -> int:
        deleted = 0
        for statement in hanging:
            parameters = {"before": before, "limit": limit - deleted}
            deleted += connection.execute(statement, parameters).rowcount
            if deleted == limit:
                return deleted
        return deleted + itself(connection, before, limit - deleted)

    return delete


#: What people point to stays: by a rule's match, on the watch list, in a schedule's ``include``.
_NAMED = """
    exists (select from watchlist_item where symbol = upper(token.symbol) and active)
 or array[lower(token.address), lower(coalesce(token.symbol, ''))] && array(
        select lower(jsonb_path_query(options, 'lax $.include[*]') #>> '{}') from schedule)"""
_TOKEN_KEPT = f"({matches.points_to('token', 'token.id')} or {_NAMED})"
#: A token is seen when a feed names it, and when one of its pools is found.
_TOKEN_UNSEEN = f"""last_seen_at < :before and not exists (
    select from token_pool where token_pool.token_id = token.id and checked_at >= :before)
    and not {_TOKEN_KEPT}"""
_POOL_UNSEEN = f"""checked_at < :before and not exists (
    select from token where token.id = token_pool.token_id and {_TOKEN_KEPT})"""
_LISTING_UNSEEN = f"last_seen_at < :before and not {matches.points_to('listing', 'listing.id')}"
#: In the order in which they go; the few profiles that were asked for go with the token itself.
_OF_A_TOKEN = ("token_snapshot", "token_sighting", "wallet_token", "token_pool")


def _thin_bars(connection: Connection, before: datetime, limit: int) -> int:
    return bars.thin(connection, before.date(), limit)


def _drop_bars(connection: Connection, before: datetime, limit: int) -> int:
    return bars.drop(connection, before.date(), limit)


#: Name of a rule → (option that says how many days, how it deletes).
RULES: Mapping[str, tuple[str, Delete]] = {
    "runs": ("run_days", _rows("run", "id", _GOOD, "created_at")),
    "failed runs": ("failed_run_days", _rows("run", "id", _BAD, "created_at")),
    "requests": ("failed_run_days", _rows("run_request", "id", "answered_at < :before", "id")),
    "permits": ("permit_days", _rows("permit", "id", "stamp < :before", "id")),
    "changes": ("change_days", _rows("schedule_change", "id", "changed_at < :before", "changed_at")),
    "heartbeats": ("run_days", _rows("heartbeat", "name", "seen_at < :before")),
    "notices": (
        "failed_run_days",
        _rows("notice", "id", "created_at < :before and state in ('sent', 'dead')", "id"),
    ),
    "matches": ("change_days", _rows("match", "id", "matched_at < :before", "id")),
    "incidents": ("change_days", _rows("incident", "id", "closed_at < :before", "id")),
    "scrapes": ("failed_run_days", scrapes.drop),
    "sightings": ("run_days", _rows("token_sighting", "run_id, token_id", _RUN_GONE)),
    "profiles": ("run_days", _rows("token_profile", "run_id, token_id", _ASKED_BY_A_RUN_GONE)),
    "tokens": (
        "token_days",
        _with_what_hangs_on_it("token", "token_id", _TOKEN_UNSEEN, _OF_A_TOKEN),
    ),
    "pools": ("token_days", _rows("token_pool", "id", _POOL_UNSEEN, "checked_at")),
    "listings": (
        "listing_days",
        _with_what_hangs_on_it(
            "listing", "listing_id", _LISTING_UNSEEN, ("listing_price", "listing_status_change")
        ),
    ),
    # What it was early in goes with it; a score is of what is kept.
    "wallets": ("wallet_days", _rows("wallet", "id", "last_seen_at < :before")),
    "snapshots": ("snapshot_days", _rows("token_snapshot", "token_id, run_id", _NOT_LAST_OF_DAY)),
    "old snapshots": (
        "old_snapshot_days",
        _rows("token_snapshot", "token_id, run_id", "taken_at < :before"),
    ),
    "outcomes": ("failed_run_days", outcomes.drop),
    "quotes": ("quote_days", quotes.drop),
    "bars": ("bar_days", _thin_bars),
    "old bars": ("old_bar_days", _drop_bars),
}


def cutoff(now: datetime, days: int) -> datetime:
    """Rows before this are old."""
    return now - timedelta(days=days)
