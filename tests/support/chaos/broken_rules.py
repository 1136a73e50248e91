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


def _fence() -> None:
    """A worker that slept writes over its successor."""
    from workers.ledger import claimed, ended, handed_back, renewed

    claimed.check_fence = lambda *_: False
    for module, name in ((handed_back, "HAND_BACK"), (ended, "END")):
        _rewrite(module, name, " and fence = %(fence)s", " and %(fence)s > 0")
    _rewrite(renewed, "RENEW", " and b.fence = mine.held", "")
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

    Work._outcome = apart  # type: ignore[method-assign]


def _settled() -> None:
    """A call is stamped when it is let through, not when it is answered."""
    from workers.upstreams import permits

    original = permits.take_many

    def take_many(connection: Any, upstream: str, questions: Any, answered: Any) -> Any:
        at_once = [replace(one, lease=timedelta(0)) for one in questions]
        return original(connection, upstream, at_once, answered)

    permits.take_many = take_many


def _resend() -> None:
    """What was announced is never looked for, and no doorbell is rung again."""
    from beat.tick.outbox import Outbox
    from workers.ledger import sent

    sent.look_for = lambda *_: []
    Outbox.ring_for = lambda *_: 0  # type: ignore[method-assign]


def _deadline() -> None:
    """A run's timeout is only Celery's business."""
    from workers.execution.lease import LeaseKeeper
    from workers.ledger import stopped

    stopped.end_overdue = lambda *_: 0
    LeaseKeeper._is_late = lambda _: False  # type: ignore[method-assign]


def _rescue() -> None:
    """Batches are taken back at once after an outage, as if their workers had been silent."""
    from beat.tick import steps
    from workers.ledger import rescued

    def rescue(context: Any) -> bool:
        with context.connection.transaction():
            return bool(rescued.rescue(context.connection, context.now, context.limit))

    steps.rescue = rescue


def _overlap() -> None:
    """Runs start whatever of their schedule still runs; chaos drops the index behind it too."""
    from beat.tick import claim
    from beat.time.overlap import Act, Decision

    claim.decide = lambda *_: Decision(Act.START)


def _order() -> None:
    """The end of a batch locks the batch before the run."""
    from workers.ledger import claimed, ended, handed_back

    original = ended.end

    def end(connection: Any, lease: Any, *how: Any) -> Any:
        claimed.check_fence(connection, lease)
        connection.execute("select pg_sleep(0.05)")
        return original(connection, lease, *how)

    ended.end = handed_back.end = end


def _state() -> None:
    """A batch is taken whatever its state: a second message takes it from whoever works on it."""
    from workers.ledger import claimed, taken

    _rewrite(
        claimed, "CLAIM", "state in ('waiting', 'sent')\n", "state in ('waiting', 'sent', 'running')\n"
    )
    _rewrite(taken, "TAKE", "b.state || '' in ('waiting', 'sent')", "b.state <> 'done'")
    _rewrite(taken, "CANDIDATES", "where state = 'sent'", "where state in ('sent', 'running')")


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

    claim.claim_or_plan = claim_or_plan


def _cancel() -> None:
    """A run takes the place of the one before it without waiting for its end."""
    from beat.tick import claim
    from beat.time.overlap import Act, Decision

    original = claim.decide

    def decide(policy: str, active: int, held: int) -> Decision:
        if policy == "cancel_other":
            return Decision(Act.START, cancel_active=active > 0)
        return original(policy, active, held)

    claim.decide = decide


def _deferred() -> None:
    """A run begins anywhere, whatever the run before it had to leave."""
    from workers.execution import engine

    engine._deferred_first = lambda items, _: items


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
    "commit": _commit,
    "cancel": _cancel,
    "deferred": _deferred,
}
#: What chaos does to its database when a rule is broken that the database keeps too.
IN_SQL = dict.fromkeys(("overlap", "cancel"), "drop index run_one_exclusive")


def break_rule(name: str) -> None:
    """Run this process without that rule."""
    RULES[name]()
