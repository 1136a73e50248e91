"""Tables for a terminal of a given width (pure): which columns fit, where cells break.

Columns are left out in a fixed order until the rest fits.  Cells wrap between words.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile

from rich.cells import cell_len

GAP = "  "
#: A column of longer texts may be as narrow as this, unless one of its words is longer.
MIN_TEXT = 18
#: Characters of an id that a table shows; more when two of them would be equal.
ID_LENGTH = 8
CUT = "…"

Row = Mapping[str, str]


@dataclass(frozen=True)
class Table:
    """The columns that are shown, each with its width, and those that did not fit."""

    widths: dict[str, int]
    left_out: tuple[str, ...]


@dataclass(frozen=True)
class Line:
    """One printed line: per column its text, padded."""

    cells: dict[str, str]

    def __str__(self) -> str:
        return GAP.join(self.cells.values()).rstrip()


def title_of(column: str) -> str:
    return column.replace("_", " ").upper()


def plan(rows: Sequence[Row], columns: Sequence[str], width: int, drop: Sequence[str] = ()) -> Table:
    """Choose columns and their widths; ``drop``: what is left out first, then from the right.

    Columns without any text are left out whatever the width.
    """
    shown = [column for column in columns if any(row[column] for row in rows)] or list(columns)
    natural = {column: _natural(rows, column) for column in shown}
    least = {column: _least(rows, column, natural[column]) for column in shown}
    order = [*(c for c in drop if c in shown), *(c for c in reversed(shown[1:]) if c not in drop)]
    left_out = []
    for column in order:
        if _total(least[c] for c in shown) <= width or len(shown) == 1:
            break
        shown.remove(column)
        left_out.append(column)
    widths = _spread({c: least[c] for c in shown}, natural, width)
    return Table(widths, tuple(c for c in columns if c in left_out))


def _natural(rows: Sequence[Row], column: str) -> int:
    return max(cell_len(title_of(column)), *(cell_len(row[column]) for row in rows), 1)


def _least(rows: Sequence[Row], column: str, natural: int) -> int:
    """The width below which a column had better be left out."""
    if natural <= MIN_TEXT:
        return natural
    longest = max((cell_len(word) for row in rows for word, _ in _words(row[column])), default=1)
    return max(longest, MIN_TEXT, cell_len(title_of(column)))


def _total(widths: Iterator[int] | Sequence[int]) -> int:
    each = list(widths)
    return sum(each) + len(GAP) * (len(each) - 1)


def _spread(least: dict[str, int], natural: Mapping[str, int], width: int) -> dict[str, int]:
    """Give the space that is left to the columns that need more, the least needy first."""
    widths = dict(least)
    left = width - _total(list(widths.values()))
    needy = sorted(widths, key=lambda column: natural[column] - widths[column])
    for place, column in enumerate(needy):
        more = min(natural[column] - widths[column], max(0, left) // (len(needy) - place))
        widths[column] += more
        left -= more
    return widths


def lines_of(row: Row, table: Table, right: frozenset[str] = frozenset(), limit: int = 3) -> list[Line]:
    """A row as lines; a cell of more than ``limit`` lines ends with an ellipsis."""
    cells = {column: wrapped(row[column], width, limit) for column, width in table.widths.items()}
    height = max(len(cell) for cell in cells.values())
    return [
        Line(
            {
                column: padded(
                    cell[at] if at < len(cell) else "", table.widths[column], column in right
                )
                for column, cell in cells.items()
            }
        )
        for at in range(height)
    ]


def head_of(table: Table, right: frozenset[str] = frozenset()) -> Line:
    return Line({c: padded(title_of(c), width, c in right) for c, width in table.widths.items()})


def padded(text: str, width: int, right: bool) -> str:
    space = " " * max(0, width - cell_len(text))
    return space + text if right else text + space


def _words(text: str) -> Iterator[tuple[str, str]]:
    """Words, each with what stands before it on the same line; wide characters may break anywhere."""
    for word in text.split():
        before, narrow = " ", ""
        for one in word:
            if cell_len(one) < 2:
                narrow += one
                continue
            if narrow:
                yield narrow, before
                before, narrow = "", ""
            yield one, before
            before = ""
        if narrow:
            yield narrow, before


def wrapped(text: str, width: int, limit: int) -> list[str]:
    """``text`` in lines of at most ``width`` cells, broken between words."""
    if cell_len(text) <= width:
        return [text]
    lines = [""]
    for word, before in _words(text):
        longer = f"{lines[-1]}{before}{word}" if lines[-1] else word
        if cell_len(longer) <= width:
            lines[-1] = longer
        elif lines[-1]:
            lines.append(shortened(word, width))
        else:
            lines[-1] = shortened(word, width)
    if len(lines) > limit:
        lines = lines[:limit]
        lines[-1] = _cut(lines[-1], width)
    return lines


def shortened(word: str, width: int) -> str:
    """A word that no column can hold, with an ellipsis at its end."""
    if cell_len(word) <= width:
        return word
    kept = ""
    for one in word:
        if cell_len(kept + one) > width - 1:
            break
        kept += one
    return kept + CUT


def _cut(line: str, width: int) -> str:
    words = list(_words(line))
    while words and cell_len(_joined(words)) > width - 2:
        words.pop()
    return f"{_joined(words)} {CUT}".lstrip()


def _joined(words: list[tuple[str, str]]) -> str:
    return "".join(before + word for word, before in words).lstrip()


def short_ids(ids: Sequence[str]) -> dict[str, str]:
    """Each id by its shortest prefix that no other has, of at least ``ID_LENGTH`` characters."""
    ordered = sorted(set(ids))
    pairs = list(zip(["", *ordered[:-1]], [*ordered[1:], ""], strict=True)) if ordered else []
    return {
        one: one[: max(ID_LENGTH, *(_shared(one, other) + 1 for other in beside))]
        for one, beside in zip(ordered, pairs, strict=True)
    }


def _shared(one: str, other: str) -> int:
    same = (a == b for a, b in zip(one, other, strict=False))
    return sum(1 for _ in takewhile(bool, same))
