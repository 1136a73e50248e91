"""What a batch consists of, and how it has ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from workers.ledger.finished import Ended

#: An item's error is kept for people to read, not to store pages in (characters).
MAX_ERROR = 500
#: What is kept of an item in `batch.items`.
STORED = ("key", "state", "data", "counts", "error")


@dataclass(slots=True)
class Item:
    """One thing to do: a symbol, a token, a page; kept with its outcome in `batch.items`."""

    key: str
    data: dict[str, Any] = field(default_factory=dict)
    state: str = "waiting"
    counts: dict[str, int] = field(default_factory=dict)
    error: str | None = None

    def row(self) -> dict[str, Any]:
        return {name: value for name in STORED if (value := getattr(self, name))}

    def draft(self, state: str, data: Mapping[str, Any], error: str | None) -> Item:
        """The item as an outcome will leave it."""
        error = error[:MAX_ERROR] if error else None
        return Item(self.key, {**self.data, **data}, state, {**self.counts}, error)

    def add(self, counts: Mapping[str, int]) -> None:
        for name, number in counts.items():
            self.counts[name] = self.counts.get(name, 0) + number

    def become(self, other: Item) -> None:
        self.state, self.error = other.state, other.error
        self.data, self.counts = other.data, other.counts


@dataclass(slots=True)
class BatchEnd:
    """Whether the outcome of the last item has ended the batch, or waits to be written with the end."""

    is_written: bool = False
    is_pending: bool = False
    #: The batch has planned others: it is not all of its run.
    is_split: bool = False
    #: The run, when this was its last batch; its row, locked while the batch ends.
    run: Ended | None = None
    locked: Mapping[str, Any] | None = None

    def note(self, run: Ended | None, *, last: bool, written: bool) -> None:
        if last and written:
            self.is_written, self.run = True, run
        self.is_pending = last and not written


def are_last(items: Sequence[Item], batch: Sequence[Item]) -> bool:
    """Whether every other item has its outcome: the kind has nothing more to write after these."""
    mine = {id(item) for item in items}
    return not any(item.state == "waiting" for item in batch if id(item) not in mine)


def rows_of(
    batch: Sequence[Item], drafts: Mapping[int, Item], *, whole: bool
) -> list[dict[str, Any]] | dict[int, dict[str, Any]]:
    """The whole plan with these drafts in it, or the drafts alone by their places."""
    if whole:
        return [drafts.get(id(item), item).row() for item in batch]
    return {place: drafts[id(one)].row() for place, one in enumerate(batch) if id(one) in drafts}
