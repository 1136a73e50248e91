"""The safety rules of the design, each with the way to break it: chaos must find every one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from sqlalchemy import text

Patch = Callable[[], None]


def _fence() -> None:
    """A worker that slept writes over its successor."""
    from workers.ledger import claims

    claims.check_fence = lambda *_: None
    for name in ("_BEAT", "_HAND_BACK"):
        statement = getattr(claims, name).text
        setattr(claims, name, text(statement.replace(" and fence = :fence", " and :fence > 0")))
    claims._END = claims._END.replace(" and fence = %(fence)s", " and %(fence)s > 0")


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

    original = permits.take

    def take(connection: Any, upstream: str, _: timedelta, **how: Any) -> Any:
        return original(connection, upstream, timedelta(0), **how)

    permits.take = take


def _resend() -> None:
    """What was sent is never looked for again."""
    from beat.tick import outbox

    outbox.TO_SEND = outbox.TO_SEND.replace("state in ('waiting', 'sent')", "state in ('waiting')")
    outbox.NEXT_SEND = outbox.NEXT_SEND.replace("state in ('waiting', 'sent')", "state in ('waiting')")


def _deadline() -> None:
    """A run's timeout is only Celery's business."""
    from beat.tick import conclude
    from workers.execution.lease import Lease

    conclude.end_overdue = lambda *_: 0
    Lease._over = lambda _: False  # type: ignore[method-assign]


def _rescue() -> None:
    """Batches are taken back at once after an outage, as if their workers had been silent."""
    from beat.tick import steps
    from workers.db import transaction
    from workers.ledger import claims

    def rescue(context: Any) -> bool:
        with transaction() as connection:
            return bool(claims.rescue(connection, context.now, context.limit))

    steps.rescue = rescue


def _overlap() -> None:
    """Runs start whatever of their schedule still runs; chaos drops the index behind it too."""
    from beat.tick import claim
    from beat.time.overlap import Act, Decision

    claim.decide = lambda *_: Decision(Act.START)


def _order() -> None:
    """The end of a batch locks the batch before the run."""
    from workers.execution import engine
    from workers.ledger import claims

    original = claims.end

    def end(connection: Any, hold: Any, state: str, **how: Any) -> Any:
        claims.check_fence(connection, hold)
        connection.execute(text("select pg_sleep(0.05)"))
        return original(connection, hold, state, **how)

    claims.end = end
    engine.claims.end = end


def _state() -> None:
    """A batch is taken whatever its state: a second message takes it from whoever works on it."""
    from workers.ledger import claims

    claims._CLAIM = claims._CLAIM.replace(
        "state in ('waiting', 'sent')\n", "state in ('waiting', 'sent', 'running')\n"
    )


def _commit() -> None:
    """A message is pushed before its run is committed."""
    from beat.tick import claim
    from beat.tick.outbox import Outbox

    original = claim.obey

    def obey(connection: Any, *args: Any, **how: Any) -> Any:
        from workers.app import app

        messages = original(connection, *args, **how)
        if messages:
            Outbox(app).publish(messages)
            connection.execute("select pg_sleep(0.1)")
        return messages

    claim.obey = obey


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

    engine._put_deferred_first = lambda *_: None


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
