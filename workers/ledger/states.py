"""States of runs and batches, and every statement of the ledger that makes, moves or keeps one.

A test compares the table with the statements, and finds statements on `run` or `batch` elsewhere.

    run:    due → running → succeeded | partial | failed | stopped
            held → due | skipped | stopped          due, held → expired
    batch:  waiting ⇄ sent → running → done | failed | deferred | stopped
            running → waiting (handed back, tried again, rescued)
"""

from typing import NamedTuple

#: States in which work may still happen, and those that never change again.
RUN_ACTIVE = ("due", "running")
RUN_UNFINISHED = (*RUN_ACTIVE, "held")
RUN_ENDED = ("succeeded", "partial", "failed", "stopped", "skipped", "missed", "expired")
RUN_STATES = (*RUN_UNFINISHED, *RUN_ENDED)
RUN_TRIGGERS = ("schedule", "manual", "system", "after", "backfill", "retry")

#: States in which a message may still bring a batch to a worker, and those that never change again.
BATCH_READY = ("waiting", "sent")
BATCH_OPEN = (*BATCH_READY, "running")
BATCH_ENDED = ("done", "failed", "deferred", "stopped")
BATCH_STATES = (*BATCH_OPEN, *BATCH_ENDED)


class Transition(NamedTuple):
    """What a statement does to one table: the states it finds and those it leaves."""

    statement: str
    table: str
    #: States of the rows it changes; empty: any state, or the row is new.
    before: tuple[str, ...] = ()
    #: States it sets; empty: it leaves the state as it is.
    after: tuple[str, ...] = ()


#: By module and statement, in the order of a batch's life.
TRANSITIONS = (
    Transition("planned.INSERT_RUNS", "run", (), ("due", "held", "skipped", "missed", "expired")),
    Transition("planned.INSERT_RUNS", "batch", (), ("sent",)),
    Transition("planned.CREATE_BY_HAND", "run", (), ("due",)),
    Transition("planned.CREATE_BY_HAND", "batch", (), ("waiting",)),
    Transition("planned.RELEASE_HELD", "run", ("held",), ("due",)),
    Transition("planned.RELEASE_HELD", "batch", (), ("sent",)),
    Transition("planned.SPLIT", "batch", (), ("waiting",)),
    Transition("planned.ADD_BATCHES", "run"),
    Transition("sent.ANNOUNCE", "batch", BATCH_READY, ("sent",)),
    Transition("sent.LOOKED_FOR", "batch", BATCH_READY),
    Transition("sent.MARK", "batch", BATCH_READY, ("sent",)),
    Transition("sent.TAKE_BACK", "batch", BATCH_READY, ("waiting",)),
    Transition("sent.LOOK_FOR_ALL", "batch", ("sent",)),
    Transition("in_flight.LET_GO", "batch", ("waiting",)),
    Transition("in_flight.PUT_BACK", "batch", BATCH_READY, ("waiting",)),
    Transition("in_flight.PUT_OFF", "batch", BATCH_READY, ("waiting",)),
    Transition("claimed.CLAIM", "batch", BATCH_READY, ("running",)),
    Transition("claimed.CLAIM", "run", ("due",), ("running",)),
    Transition("taken.PARK_SHUT", "batch", ("sent",), ("waiting",)),
    Transition("taken.TAKE", "batch", BATCH_READY, ("running",)),
    Transition("taken.TAKE", "run", RUN_ACTIVE, ("running",)),
    Transition("claimed.WRITE_ITEMS", "batch"),
    Transition("claimed.WRITE_OUTCOME", "batch"),
    Transition("claimed.WRITE_OUTCOMES", "batch"),
    Transition("renewed.RENEW", "batch", ("running",)),
    Transition("renewed.LEAVE", "batch", ("running",)),
    Transition("waiting.RELEASE", "batch", BATCH_READY),
    Transition("waiting.NOTIFY_BLOCKED", "batch", BATCH_READY),
    Transition("handed_back.MOVE_RUN", "run"),
    Transition("handed_back.HAND_BACK", "batch", ("running",), ("waiting",)),
    Transition("handed_back.HAND_BACK_ALL", "batch", ("running",), ("waiting",)),
    Transition("handed_back.PARK", "batch", BATCH_READY, ("waiting",)),
    Transition("ended.CLOSE", "batch", (), BATCH_ENDED),
    Transition("ended.END", "batch", ("running",), BATCH_ENDED),
    Transition("ended.DEFER_OTHERS", "batch", BATCH_READY, ("deferred",)),
    Transition("ended.CLOSE_OPEN", "batch", BATCH_OPEN, ("failed", "stopped")),
    Transition("ended.END_WHOLE", "batch", ("running",), ("done",)),
    Transition("ended.END_WHOLE", "run", (), ("succeeded", "partial", "failed", "stopped")),
    Transition("finished.CLOSE_BATCHES", "run"),
    Transition("finished.FINISH", "run", (), ("succeeded", "partial", "failed", "stopped")),
    Transition("finished.GIVE_UP", "batch", BATCH_OPEN, ("stopped",)),
    Transition("finished.GIVE_UP", "run", (), ("stopped", "expired")),
    Transition("finished.EXPIRE", "batch", BATCH_OPEN, ("stopped",)),
    Transition("finished.EXPIRE", "run", ("due", "held"), ("expired",)),
    Transition("finished.SKIP_HELD", "run", ("held",), ("skipped",)),
    Transition("finished.SKIP_DELETED", "run", ("held",), ("skipped",)),
    Transition("finished.COUNT", "run"),
    Transition("stopped.REQUEST_STOP", "run"),
    Transition("stopped.REPLACE_ACTIVE", "run", RUN_ACTIVE),
    Transition("rescued.TAKE_BACK", "batch", ("running",), ("waiting", "failed", "stopped")),
    Transition("rescued.TAKE_OVER", "batch", ("running",), ("waiting", "failed", "stopped")),
    Transition("rescued.NOTE_AGAIN", "run"),
    Transition("edited.COPY", "run"),
    Transition("edited.REORDER", "batch", BATCH_READY, ("waiting",)),
    Transition("edited.REGROUP", "batch", BATCH_READY, ("waiting",)),
    Transition("edited.REGROUP", "run"),
    Transition("edited.RESPACE", "batch", BATCH_READY, ("waiting",)),
    Transition("calls.CLAIM", "batch", BATCH_OPEN, ("running",)),
    Transition("calls.CLAIM", "run", ("due", "running"), ("running",)),
    Transition("calls.RETRY", "batch", ("running",), ("sent",)),
    Transition("calls.AGAIN", "batch", ("running",), ("waiting",)),
    Transition("calls.END", "batch", ("running",), ("done", "failed", "stopped")),
    Transition("calls.END", "run", (), ("succeeded", "failed", "stopped")),
    Transition("calls.END_ALL", "batch", ("running",), ("done", "failed", "stopped")),
    Transition("calls.END_ALL", "run", (), ("succeeded", "failed", "stopped")),
    Transition("calls.CLOSE", "batch", BATCH_OPEN, ("failed", "stopped")),
    Transition("calls.CLOSE", "run", (), ("failed", "stopped")),
    Transition("calls.NOTE_LOST", "run"),
    Transition("calls.CREATE_FAILED", "run", (), ("failed",)),
    Transition("calls.NOTE_UNKNOWN", "batch", BATCH_READY),
)
