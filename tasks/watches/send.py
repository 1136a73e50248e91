"""`tasks.watches.send`: sends the notices of the outbox, up to ten of a channel in a message."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from tasks.watches import adapters, channels, gathering, messages, notices
from tasks.watches.adapters.refusals import MessageRefused
from tasks.watches.messages import Note
from workers.errors import (
    AddressRefused,
    Blocked,
    BrokenResponse,
    ControlFlow,
    HandBack,
    NotFound,
    RateLimited,
    SecretRefused,
    SettingMissing,
    WatchkeeperError,
)
from workers.execution import NOTICES_QUEUE, Item, Work, app, count_words, settings
from workers.ledger import Options, faults
from workers.upstreams import block_seconds

#: Time beyond the lease of a batch, so that a hand-over ends before its notices can be taken again.
MARGIN = timedelta(seconds=5)
#: A batch waits at most so long for its next try; later ones are left to the next run.
MAX_WAIT = timedelta(minutes=2)
#: Errors that a second try would meet again.
PERMANENT = (NotFound, BrokenResponse, SecretRefused)


class SendOptions(Options):
    """Nothing to set: channels and rules are rows."""


def plan(work: Work[SendOptions]) -> Iterable[Item]:
    """One item a channel with notices to send, each in a batch of its own."""
    with work.read() as connection:
        return [Item(name) for name in notices.channels_with_work(connection)]


def summary(counts: Mapping[str, int]) -> str:
    """Counts as in: 3 messages, 9 notices."""
    if not any(counts.values()):
        return "nothing to send"
    messages, notices = counts.get("messages", 0), counts.get("sent", 0)
    words = f"{count_words(messages, 'message')}, {count_words(notices, 'notice')}"
    return words + (f", {counts['refused']} refused" if counts.get("refused") else "")


@app.task(
    name=__name__,
    options=SendOptions,
    plan=plan,
    summary=summary,
    queue=NOTICES_QUEUE,
    batch_size=1,
    min_every=timedelta(seconds=5),
    max_attempts=3,
)
def send(work: Work[SendOptions]) -> None:
    """Send waiting notices in groups; near a channel's hourly limit one message gathers them."""
    for item in work.items():
        with work.attempt(item):
            retries = []
            while (claimed := _claim(work, item.key))[0]:
                work.check()
                retries.append(_hand_over(work, item, *claimed))
            _come_back(work, item.key, min(filter(None, retries), default=None))
            with work.done(item):
                pass


def _come_back(work: Work[Any], name: str, retry: datetime | None) -> None:
    """Hand the batch back until ``retry``, if that is soon, or until what its last sender had is free.

    Each run waits for its own notices: if all waited for any next try of the channel, none would end
    where notices are refused as fast as new ones, each of which starts a run.
    """
    if retry is None or retry >= work.now() + MAX_WAIT:
        # The batch of a sender that was killed is begun again before its lease of the notices ends.
        with work.read() as connection:
            retry = notices.lease_end(connection, name, work.run_id)
    if retry is not None:
        raise HandBack(f"the next try of {name} is due then", not_before=retry)


def _claim(work: Work[Any], name: str) -> tuple[Sequence[Any], bool]:
    with work.fenced() as connection:
        lease = timedelta(seconds=settings().lease_seconds) + MARGIN
        return notices.claim(connection, name, work.run_id, lease)


def _hand_over(work: Work[Any], item: Item, rows: Sequence[Any], gathers: bool) -> datetime | None:
    """Send one message; returns when it is tried again, if it was refused.

    A worker killed before the response is stored may send it twice.
    """
    with work.read() as connection:
        channel = channels.find(connection, item.key)
    if channel is None:
        # It was removed or renamed meanwhile; under its new name the next run sends them.
        with work.fenced() as connection:
            notices.give_back(connection, rows)
        return None
    notes, number = _composed(channel.kind, [messages.note_of(row) for row in rows], gathers=gathers)
    rows = _first(work, rows, number)
    faults.point("before-hand-over")
    try:
        response = adapters.send(work.client, channel, notes)
    except (ControlFlow, RateLimited, Blocked):
        # The server has not read it: the client says when to come again.
        with work.fenced() as connection:
            notices.give_back(connection, rows)
        raise
    except WatchkeeperError as error:
        return _keep_refusal(work, item, rows, error)
    faults.point("after-hand-over")
    with work.save(item, counts={"messages": 1, "sent": len(rows)}) as connection:
        notices.sent(connection, rows, response)
    faults.point("after-sent")
    work.log.info("notice.sent", channel=item.key, notices=len(rows), response=response)
    return None


def _composed(kind: str, notes: Sequence[Note], *, gathers: bool) -> tuple[Sequence[Note], int]:
    """The notes of one message, and how many notices they hold."""
    number = adapters.fitting(kind, notes)
    if not gathers or number == len(notes):
        return notes[:number], number
    note, number = gathering.gathered(notes)
    return [note], number


def _first(work: Work[Any], rows: Sequence[Any], count: int) -> Sequence[Any]:
    """The first ``count`` notices; the others are given back for the next message."""
    if rest := rows[count:]:
        with work.fenced() as connection:
            notices.give_back(connection, rest)
    return rows[:count]


def _keep_refusal(
    work: Work[Any], item: Item, rows: Sequence[Any], error: WatchkeeperError
) -> datetime | None:
    """Store why a message was refused; returns when it is tried again."""
    said = {"channel": item.key, "notices": len(rows), "error": str(error)}
    if isinstance(error, MessageRefused) and len(rows) > 1:
        # The server may refuse only one of them.
        with work.fenced() as connection:
            notices.split(connection, rows, str(error))
        work.log.warning("notice.parted", **said)
        return None
    needs_person = isinstance(error, SettingMissing | AddressRefused)
    seconds = block_seconds(max(row.attempts for row in rows))
    pause = timedelta(minutes=10) if needs_person else timedelta(seconds=seconds)
    with work.save(item, counts={"refused": len(rows)}) as connection:
        permanent = isinstance(error, PERMANENT)
        retry = notices.refused(connection, rows, str(error), pause, permanent=permanent)
    work.log.warning("notice.refused", **said)
    return retry
