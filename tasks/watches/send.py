"""`tasks.watches.send`: what waits in the outbox goes out, up to ten notices of a channel a message."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from tasks.watches import adapters, channels, gathering, messages, notices
from tasks.watches.adapters.refusals import MessageRefused
from tasks.watches.messages import Note
from workers.app import app
from workers.errors import (
    AddressRefused,
    Blocked,
    BrokenAnswer,
    ControlFlow,
    HandBack,
    NotFound,
    RateLimited,
    SecretRefused,
    SettingMissing,
    WatchkeeperError,
)
from workers.execution.work import Item, Work
from workers.ledger import faults
from workers.ledger.kinds import Options
from workers.settings import settings
from workers.upstreams import block_seconds

#: Beyond a batch's lease, so that a hand-over has ended before its notices may be taken again.
MARGIN = timedelta(seconds=5)
#: A next try within so long is waited for in the ledger; a later one is the next run's.
SOON = timedelta(minutes=2)
#: Errors that the same message would meet again.
HOPELESS = (NotFound, BrokenAnswer, SecretRefused)


class SendOptions(Options):
    """Nothing to set: channels and rules are rows."""


def plan(work: Work[SendOptions]) -> Iterable[Item]:
    """One item a channel with something to send, each a batch of its own: none waits for another."""
    with work.read() as connection:
        return [Item(name) for name in notices.channels_with_work(connection)]


def summary(counts: Mapping[str, int]) -> str:
    """Counts as in: 3 messages, 9 notices."""
    words = f"{counts.get('messages', 0)} messages, {counts.get('sent', 0)} notices"
    return words + (f", {counts['refused']} refused" if counts.get("refused") else "")


@app.task(
    name=__name__,
    options=SendOptions,
    plan=plan,
    summary=summary,
    queue="notices",
    batch_size=1,
    min_every=timedelta(seconds=5),
    max_attempts=3,
)
def send(work: Work[SendOptions]) -> None:
    """Send the notices that wait, grouped; near a channel's limit an hour one message gathers them."""
    for item in work.items():
        with work.attempt(item):
            while (claimed := _claim(work, item.key))[0]:
                work.check()
                _hand_over(work, item, *claimed)
            _come_back(work, item.key)
            with work.done(item):
                """Nothing more waits for this channel now."""


def _come_back(work: Work[Any], name: str) -> None:
    """Hand the batch back until the next try, if that is soon; no worker is held meanwhile."""
    with work.read() as connection:
        next_try = notices.next_try(connection, name)
    if next_try is not None and next_try < work.now() + SOON:
        raise HandBack(f"{name} is tried again then", not_before=next_try)


def _claim(work: Work[Any], name: str) -> tuple[Sequence[Any], bool]:
    with work.fenced() as connection:
        lease = timedelta(seconds=settings().lease_seconds) + MARGIN
        return notices.claim(connection, name, lease)


def _hand_over(work: Work[Any], item: Item, rows: Sequence[Any], gathers: bool) -> None:
    """One message; a worker killed before the server's answer is kept may leave it to be sent twice."""
    with work.read() as connection:
        channel = channels.find(connection, item.key)
    told, number = _composed(channel.kind, [messages.note_of(row) for row in rows], gathers=gathers)
    rows = _leave_what_does_not_fit(work, rows, number)
    ids, message = [row.id for row in rows], rows[0].message_id
    faults.point("before-hand-over")
    try:
        answer = adapters.send(work.client, channel, told)
    except (ControlFlow, RateLimited, Blocked):
        # Refused before it was read, or never sent: the client says when to try again.
        with work.fenced() as connection:
            notices.give_back(connection, ids, message)
        raise
    except WatchkeeperError as error:
        _keep_refusal(work, item, rows, error)
        return
    faults.point("after-hand-over")
    with work.save(item, {"messages": 1, "sent": len(rows)}) as connection:
        notices.sent(connection, ids, message, answer)
    faults.point("after-sent")
    work.log.info("notice.sent", channel=item.key, notices=len(rows), answer=answer)


def _composed(kind: str, told: Sequence[Note], *, gathers: bool) -> tuple[Sequence[Note], int]:
    """What one message says, and how many of the notices it holds."""
    number = adapters.fitting(kind, told)
    if not gathers or number == len(told):
        return told[:number], number
    note, number = gathering.gathered(told)
    return [note], number


def _leave_what_does_not_fit(work: Work[Any], rows: Sequence[Any], count: int) -> Sequence[Any]:
    """Give back what the next message takes; what stays is this one."""
    if rest := rows[count:]:
        with work.fenced() as connection:
            notices.give_back(connection, [row.id for row in rest], rest[0].message_id)
    return rows[:count]


def _keep_refusal(work: Work[Any], item: Item, rows: Sequence[Any], error: WatchkeeperError) -> None:
    if isinstance(error, MessageRefused) and len(rows) > 1:
        # One of them may be what the server does not take: the others are not lost with it.
        with work.fenced() as connection:
            notices.part(connection, [row.id for row in rows], rows[0].message_id, str(error))
        work.log.warning("notice.parted", channel=item.key, notices=len(rows), error=str(error))
        return
    hopeless = isinstance(error, HOPELESS)
    attempts = max(row.attempts for row in rows)
    pause = timedelta(seconds=block_seconds(attempts))
    if isinstance(error, SettingMissing | AddressRefused):
        # A person has to act first.
        pause = timedelta(minutes=10)
    ids, message = [row.id for row in rows], rows[0].message_id
    with work.save(item, {"refused": len(rows)}) as connection:
        notices.refused(connection, ids, message, str(error), pause, hopeless=hopeless)
    work.log.warning("notice.refused", channel=item.key, notices=len(rows), error=str(error))
