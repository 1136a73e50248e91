"""The safety rules of the design, each with the way to break it: chaos must find every one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

Patch = Callable[[], None]


def _rewrite(module: Any, name: str, old: str, new: str) -> None:
    """Put ``new`` for ``old`` in a statement, which must contain it."""
    statement = getattr(module, name)
    assert old in statement, f"{module.__name__}.{name} has no {old!r}"
    setattr(module, name, statement.replace(old, new))


#: What was replaced by `_put`: where, and its name.
replaced: list[tuple[Any, str]] = []


def _put(owner: Any, name: str, new: Any) -> None:
    """Put ``new`` in the place of a function of a module or class, which must have it."""
    assert hasattr(owner, name), f"{owner.__name__} has no {name!r}"
    setattr(owner, name, new)
    replaced.append((owner, name))


def _fence() -> None:
    """A worker that slept writes over its successor."""
    from workers.ledger import claimed, ended, handed_back, renewed

    _put(claimed, "check_fence", lambda *_: False)
    for module, name in ((handed_back, "HAND_BACK"), (ended, "END")):
        _rewrite(module, name, " and fence = %(fence)s", " and %(fence)s > 0")
    _rewrite(renewed, "RENEW", " and b.fence = held.fence", "")
    _rewrite(ended, "END_WHOLE", " and b.fence = given.fence", "")


def _outcome() -> None:
    """An item's rows are committed before its outcome, not with it."""
    from workers.db import transaction
    from workers.execution.work import Work

    original = Work._outcome

    @contextmanager
    def apart(self: Any, *args: Any, **kwargs: Any) -> Iterator[Any]:
        with transaction() as connection:
            yield connection
        with original(self, *args, **kwargs):
            pass

    _put(Work, "_outcome", apart)


def _settled() -> None:
    """A call is stamped when it is let through, not when it is answered."""
    from workers.upstreams import permits

    original = permits.take_many

    def take_many(connection: Any, upstream: str, questions: Any, answered: Any) -> Any:
        at_once = [replace(one, lease=timedelta(0)) for one in questions]
        return original(connection, upstream, at_once, answered)

    _put(permits, "take_many", take_many)


def _resend() -> None:
    """What was announced is never looked for, and no doorbell is rung again."""
    from beat.tick.outbox import Outbox
    from workers.ledger import sent

    _put(sent, "look_for", lambda *_: [])
    _put(Outbox, "ring_for", lambda *_: 0)


def _deadline() -> None:
    """A run's timeout is only Celery's business."""
    from workers.execution.lease import LeaseKeeper
    from workers.ledger import renewed, stopped

    _put(stopped, "end_overdue", lambda *_: 0)
    _put(LeaseKeeper, "_is_late", lambda _: False)
    _rewrite(renewed, "RENEW", "r.deadline_at < clock_timestamp() as late", "false as late")


def _rescue() -> None:
    """Batches are taken back at once after an outage, as if their workers had been silent."""
    from beat.tick import steps
    from workers.ledger import rescued

    def rescue(context: Any) -> bool:
        with context.connection.transaction():
            return bool(rescued.rescue(context.connection, context.now, context.limit))

    _put(steps, "rescue", rescue)


def _overlap() -> None:
    """Runs start whatever of their schedule still runs; chaos drops the index behind it too."""
    from beat.tick import admission
    from beat.time.overlap import Act, Decision

    _put(admission, "decide", lambda *_, **__: Decision(Act.START))


def _order() -> None:
    """The end of a batch locks the batch before the run."""
    from workers.db import driver
    from workers.execution.work import Work
    from workers.ledger import claimed, ended, handed_back, runs

    def lock_batch(connection: Any, lease: Any) -> None:
        claimed.check_fence(connection, lease)
        connection.execute("select pg_sleep(0.05)")

    original = ended.end

    def end(connection: Any, lease: Any, *how: Any) -> Any:
        lock_batch(connection, lease)
        return original(connection, lease, *how)

    for module in (ended, handed_back):
        _put(module, "end", end)

    @contextmanager
    def begin_outcome(self: Any, *, last: bool) -> Iterator[Any]:
        with self.fenced() as connection:
            if last:
                lock_batch(driver(connection), self.lease)
                self.end.locked = runs.lock_briefly(driver(connection), self.run_id)
            yield connection

    _put(Work, "_begin_outcome", begin_outcome)


def _state() -> None:
    """A batch is taken whatever its state: a second message takes it from whoever works on it."""
    from workers.ledger import claimed, taken

    _rewrite(
        claimed, "CLAIM", "state in ('waiting', 'sent')\n", "state in ('waiting', 'sent', 'running')\n"
    )
    _rewrite(taken, "TAKE", "b.state || '' in ('waiting', 'sent')", "b.state <> 'done'")
    _rewrite(taken, "CANDIDATES", "where state = 'sent'", "where state in ('sent', 'running')")


def _copy() -> None:
    """A second message of a plain task takes it from whoever works on it."""
    from workers.ledger import calls

    _rewrite(calls, "CLAIM", "and b.retries + 1 = %(retries)s", "and b.retries + 1 >= %(retries)s")


def _commit() -> None:
    """A message is pushed before its run is committed."""
    from beat.tick import claim
    from beat.tick.outbox import Outbox

    original = claim.claim_or_plan

    def claim_or_plan(context: Any, *args: Any, **how: Any) -> Any:
        from workers.app import app

        messages = original(context, *args, **how)
        if messages:
            Outbox(app).publish(messages)
            context.connection.execute("select pg_sleep(0.1)")
        return messages

    _put(claim, "claim_or_plan", claim_or_plan)


def _cancel() -> None:
    """A run takes the place of the one before it without waiting for its end."""
    from beat.tick import admission
    from beat.time.overlap import Act, Decision

    original = admission.decide

    def decide(policy: str, active: int, held: int, backfilling: int = 0) -> Decision:
        if policy == "cancel_other":
            return Decision(Act.START, cancel_active=active + backfilling > 0)
        return original(policy, active, held, backfilling)

    _put(admission, "decide", decide)


def _deferred() -> None:
    """A run begins anywhere, whatever the run before it had to leave."""
    from workers.execution import engine

    _put(engine, "_deferred_first", lambda items, _: items)


RULES: dict[str, Patch] = {
    "fence": _fence,
    "outcome": _outcome,
    "settled": _settled,
    "resend": _resend,
    "deadline": _deadline,
    "rescue": _rescue,
    "overlap": _overlap,
    "order": _order,
    "state": _state,
    "copy": _copy,
    "commit": _commit,
    "cancel": _cancel,
    "deferred": _deferred,
}
#: What chaos does to its database when a rule is broken that the database keeps too.
IN_SQL = dict.fromkeys(("overlap", "cancel"), "drop index run_one_exclusive")


def break_rule(name: str) -> None:
    """Run this process without that rule."""
    RULES[name]()
