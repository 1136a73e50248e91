"""Regular expressions that cannot hang a worker (pure): others are refused when a rule is saved.

Python's engine tries every way to split a text between parts that repeat.  How many there are at
most is read off the parsed pattern; nested repeats, back references and look-around are refused.
"""

import re
import re._constants as parts  # type: ignore[import-not-found]
import re._parser as parser  # type: ignore[import-not-found]
import warnings
from typing import Any

#: Characters of a pattern, and of a text that is searched.
MAX_PATTERN = 200
MAX_TEXT = 300
#: Ways to match that may be tried from each place of the text.
MAX_WAYS = 400_000
_REPEATS = {parts.MAX_REPEAT, parts.MIN_REPEAT}
_PLAIN = {
    parts.LITERAL, parts.NOT_LITERAL, parts.ANY, parts.IN, parts.AT, parts.CATEGORY, parts.RANGE,
    parts.NEGATE,
}  # fmt: skip


class BadPattern(ValueError):
    """A pattern that is invalid or could take too long."""


def compiled(pattern: str) -> re.Pattern[str]:
    """The pattern, ignoring case; BadPattern when it must not be used."""
    if len(pattern) > MAX_PATTERN:
        raise BadPattern(f"a pattern has at most {MAX_PATTERN} characters")
    try:
        with warnings.catch_warnings():
            # Python only warns of "[[a]", which is a mistake.
            warnings.simplefilter("error")
            found = re.compile(pattern, re.IGNORECASE)
            tree = parser.parse(pattern, re.IGNORECASE)
    except (re.error, OverflowError, RecursionError, Warning) as error:
        raise BadPattern(f"not a regular expression: {error}") from None
    if _ways(tree, repeated=False) > MAX_WAYS:
        raise BadPattern("it has too many repeated parts: at most two such as .* or \\d+")
    return found


def _ways(tree: Any, *, repeated: bool) -> int:
    """Upper bound of the ways in which the parts of a sequence can share a text."""
    total = 1
    for kind, detail in tree:
        total *= _part(kind, detail, repeated=repeated)
        if total > MAX_WAYS:
            break
    return total


def _part(kind: Any, detail: Any, *, repeated: bool) -> int:
    if kind in _PLAIN:
        return 1
    if kind in _REPEATS:
        least, most, body = detail
        if repeated:
            raise BadPattern("a repeated part contains another repeated part")
        inner = _ways(body, repeated=most > 1)
        choices = min(int(most), MAX_TEXT) - min(int(least), MAX_TEXT) + 1
        return int(choices * inner)
    if kind is parts.SUBPATTERN:
        return _ways(detail[-1], repeated=repeated)
    if kind is parts.BRANCH:
        if repeated:
            raise BadPattern("a repeated part contains alternatives")
        return sum(_ways(branch, repeated=False) for branch in detail[1])
    raise BadPattern(f"{str(kind).lower().replace('_', ' ')} is not allowed in rules")
