"""Plans schedules that people have edited, also those that no trigger named."""

import time

from beat import edits
from beat.tick import schedule_states
from beat.tick.claim import claim_or_plan
from beat.tick.context import TickContext
from beat.tick.reading import lock_named
from workers.ledger import edited
from workers.settings import settings

#: Schedules that one slice of reconciling compares.
SLICE = 10_000


def replan(context: TickContext) -> bool:
    """Plan what was edited.

    An edit waits while its schedule is locked: by another beat for a moment, or by somebody who is
    about to delete it.
    """
    connection = context.connection
    with connection.transaction():
        found = connection.execute(edits.OPEN, {"limit": context.limit}).fetchall()
        if not found:
            return False
        names = _plan(context, sorted({name for _, name in found}))
        parameters = {"ids": [number for number, _ in found], "names": names}
        consumed = connection.execute(edits.CONSUME, parameters).rowcount
    context.retry_soon |= consumed < len(found)
    # An edit may plan for any time, also where this tick did not know of it when it began.
    context.marks.claim = None
    context.edited.update(names)
    return consumed > 0


def _plan(context: TickContext, names: list[str]) -> list[str]:
    context.connection.execute(schedule_states.CREATE, {"names": names})
    context.session_cache.forget()
    rows, unreadable = lock_named(context.connection, names)
    claim_or_plan(context, rows, unreadable, replan=True)
    return [row.name for row in [*rows, *unreadable]]


def apply_edits(context: TickContext) -> bool:
    context.edited = edited.apply_edits(context.connection, sorted(context.edited))
    return False


def reconcile(context: TickContext) -> bool:
    """Compare all plans with their schedules, a slice a tick: a lost notification costs no more."""
    began = time.monotonic()
    done = _compare_slice(context)
    context.reconcile_cost += time.monotonic() - began
    if done:
        # A large table is compared less often: never more than a part in 200 of beat.
        pause = max(settings().sweep_seconds, 200 * context.reconcile_cost)
        context.next_reconcile = time.monotonic() + pause
        context.reconcile_cost = 0.0
    return not done


def _compare_slice(context: TickContext) -> bool:
    with context.connection.transaction():
        parameters = {"after": context.reconciled_to, "slice": SLICE, "limit": context.limit}
        row = context.connection.execute(schedule_states.SLICE, parameters).fetchone()
        last, size, names = row or ("", 0, [])
        planned = _plan(context, sorted(names)) if names else []
    if planned and len(names) == context.limit:
        return False
    context.reconciled_to = last if size == SLICE else ""
    return bool(size < SLICE)
