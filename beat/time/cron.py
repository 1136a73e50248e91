"""Debian's cron: texts are checked field by field, due times found date by date (pure).

Five fields, names of months and weekdays, ``@daily`` and friends, several expressions with ``;``.
Day of month OR weekday when both are restricted (AND when one begins with ``*``): `cronsim` reads the
fields and says which dates match.  With the word ``and`` between month and weekday both must match, as
Celery's crontab means it: ``0 0 1-7 * and mon``.  When a clock changes (Debian's cron(8)): with fixed
minute and hour, a due time in the skipped hour runs once at its end, one in the repeated hour once (the
first); with a wildcard it runs by the wall clock, in the repeated hour twice.  From a date to its
instants is done here: cronsim's own stepping costs milliseconds for "every minute", counts only one by
one, and loses minutes where a clock changes by half an hour.  Away from changes of the clock both give
the same.
``alembic/sql/cron_problem.sql`` checks texts by the same rules; a property test compares them.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from beat.time.walltime import begins, is_ordinary, stretches
from workers.text.words import count_words

MACROS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
#: Name, minimum and maximum of each field.
FIELDS = (("minute", 0, 59), ("hour", 0, 23), ("day", 1, 31), ("month", 1, 12), ("weekday", 0, 7))
MAX_LENGTH = 500
#: Between month and weekday: both day of month and weekday must match.
AND = "and"
#: Years that are searched for a date; 29 February on a weekday comes within 40.
MAX_YEARS = 50

#: Days of each month in a leap year.
LONGEST = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
NO_SUCH_DATE = "April, June, September and November have 30 days, February at most 29."
FIVE_FIELDS = "minute hour day month weekday, e.g. '30 17 * * 1-5' = 17:30 on weekdays."
LENGTH_HINT = "A length of time belongs in the column every, e.g. every = '15 minutes'."
LIST_HINT = "A list has no blanks, e.g. '0,30 * * * *'."

_DAY = timedelta(days=1)
_MINUTE = timedelta(minutes=1)
_ITEM = re.compile(r"(\*|[0-9]{1,2}|[a-z]{3})(?:-([0-9]{1,2}|[a-z]{3}))?(?:/([0-9]{1,2}))?")
_SPACE = re.compile(r"[ \t\n\r\f\v]+")
_SPACES = " \t\n\r\f\v"
_LENGTH = re.compile(
    rf"@?every[{_SPACES}]|[0-9]+[{_SPACES}]*(?:s|sec|second|m|min|minute|h|hour|d|day|week)s?$"
)
_BLANK_IN_LIST = re.compile(rf",[{_SPACES}]|[{_SPACES}],")
#: Only ASCII, because Postgres' lower() depends on the database's locale.
_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}


#: A start (UTC) and ascending minutes after it.
Piece = tuple[datetime, tuple[int, ...]]


class CronError(ValueError):
    """An invalid cron text; ``hint`` shows the right form."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


def lowered(text: str) -> str:
    """``text`` with ASCII letters in lower case, without white space around it."""
    return text.translate(_LOWER).strip(_SPACES)


def _value(text: str, field: int) -> int | None:
    names = {3: MONTHS, 4: DAYS}.get(field, ())
    if text in names:
        return names.index(text) + (1 if field == 3 else 0)
    if not text.isdigit():
        return None
    _, low, high = FIELDS[field]
    return int(text) if low <= int(text) <= high else None


def _fits(text: str, field: int) -> bool:
    found = _ITEM.fullmatch(text)
    if found is None:
        return False
    first, last, step = found.groups()
    if step is not None and not 1 <= int(step) <= FIELDS[field][2]:
        return False
    if first == "*":
        return last is None
    low = _value(first, field)
    if low is None:
        return False
    if last is None:
        return True
    high = _value(last, field)
    return high is not None and low <= high


def _five_fields(written: str) -> str:
    shown = [field for field in _SPACE.split(written) if field]
    fields = [lowered(field) for field in shown]
    if len(fields) == 1 and fields[0] in MACROS:
        return MACROS[fields[0]]
    if len(fields) == 1 and fields[0].startswith("@"):
        raise CronError(
            f'cron "{written}": there is no "{shown[0]}"', "Short forms: " + ", ".join(MACROS)
        )
    if len(fields) == 6 and fields[4] == AND:
        del fields[4], shown[4]
    if len(fields) != 5:
        is_length, is_list = _LENGTH.match(lowered(written)), _BLANK_IN_LIST.search(written)
        raise CronError(
            f'cron "{written}" has {count_words(len(fields), "field")}, needs 5',
            LENGTH_HINT if is_length else LIST_HINT if is_list else FIVE_FIELDS,
        )
    for number, (name, low, high) in enumerate(FIELDS):
        if not all(_fits(item, number) for item in fields[number].split(",")):
            raise CronError(
                f'cron "{written}": bad {name} field "{shown[number]}"',
                f"{name} must be *, a number {low}-{high}, a range a-b, a list a,b or a step */n.",
            )
    return " ".join(fields)


class Expression:
    def __init__(self, written: str) -> None:
        #: Lower-case, with one space between fields.
        self.text = _five_fields(written)
        try:
            self._dates = CronSim(self.text, datetime(2000, 1, 1))  # noqa: DTZ001 - only its fields are used
        except CronSimError as error:
            # All fields are valid, so no month has the day.
            raise CronError(f'cron "{written}" would never run: no such date', NO_SUCH_DATE) from error
        minute, hour, *_ = self.text.split(" ")
        if AND in lowered(written):
            self._dates.day_and = True
            if not any(min(self._dates.days) <= LONGEST[month - 1] for month in self._dates.months):
                raise CronError(f'cron "{written}" would never run: no such date', NO_SUCH_DATE)
        #: Fixed minute and hour: a clock change neither skips nor repeats it.
        self.is_fixed = not minute.startswith("*") and not hour.startswith("*")
        self.minutes = tuple(sorted(h * 60 + m for h in self._dates.hours for m in self._dates.minutes))
        self.months = frozenset(self._dates.months)

    def runs_on(self, day: date) -> bool:
        return day.month in self.months and self._dates.match_day(day)

    def pieces(self, day: date, zone: ZoneInfo) -> Iterator[Piece]:
        """Due times on ``day``, also when the clock changes: minutes after a start (UTC)."""
        if not self.runs_on(day):
            return
        midnight = datetime.combine(day, time(), UTC)
        reached = 0
        for stretch in stretches(day, zone):
            begin = midnight - stretch.offset
            low, high = (-((begin - instant) // _MINUTE) for instant in (stretch.start, stretch.end))
            if self.is_fixed:
                skipped = bisect_left(self.minutes, low) - bisect_left(self.minutes, reached)
                if skipped > 0:
                    yield stretch.start, (0,)
                low = max(low, reached)
                reached = max(reached, high)
            chosen = self.minutes[bisect_left(self.minutes, low) : bisect_left(self.minutes, high)]
            if chosen:
                yield begin, chosen


@dataclass(frozen=True, slots=True)
class Tally:
    count: int
    last: datetime | None


class Cron:
    """A parsed cron text; its due times are those of all its expressions."""

    def __init__(self, text: str) -> None:
        if len(text) > MAX_LENGTH:
            raise CronError("cron is too long", f"At most {MAX_LENGTH} characters.")
        parts = [part.strip(_SPACES) for part in text.split(";")]
        self.expressions = tuple(Expression(part) for part in parts)
        self._months = frozenset[int]().union(*(one.months for one in self.expressions))
        self._merged: dict[tuple[bool, ...], tuple[int, ...]] = {}

    def _minutes(self, day: date) -> tuple[int, ...]:
        if len(self.expressions) == 1:
            only = self.expressions[0]
            return only.minutes if only.runs_on(day) else ()
        which = tuple(one.runs_on(day) for one in self.expressions)
        if which not in self._merged:
            chosen = [one.minutes for one, runs in zip(self.expressions, which, strict=True) if runs]
            self._merged[which] = tuple(sorted(set().union(*chosen)))
        return self._merged[which]

    def _pieces(self, days: Iterable[date], zone: ZoneInfo) -> Iterator[Piece]:
        for day in days:
            for expression in self.expressions:
                yield from expression.pieces(day, zone)

    def next_due(self, after: datetime, zone: ZoneInfo) -> datetime | None:
        """The first due time strictly after ``after`` (UTC), or None within 50 years."""
        day = after.astimezone(zone).date()
        if not is_ordinary(after, zone):
            around = (day + number * _DAY for number in range(-2, 3))
            found = _first(self._pieces(around, zone), after)
            if found is not None:
                return found
            day += 3 * _DAY
        last_year = min(day.year + MAX_YEARS, date.max.year - 1)
        while day.year <= last_year:
            if day.month not in self._months:
                day = (day.replace(day=1) + 32 * _DAY).replace(day=1)
                continue
            minutes = self._minutes(day)
            if minutes:
                begin = begins(day, zone)
                ordinary = is_ordinary(begin, zone)
                found = _first([(begin, minutes)] if ordinary else self._pieces([day], zone), after)
                if found is not None:
                    return found
            day += _DAY
        return None

    def tally(self, first: datetime, until: datetime, zone: ZoneInfo) -> Tally:
        """Number of due times in [first, until], and the last; the cost grows with the days alone."""
        day = first.astimezone(zone).date() - 2 * _DAY
        final = until.astimezone(zone).date() + 2 * _DAY
        count, last = 0, None
        near: list[date] = []
        while day <= final:
            begin = begins(day, zone)
            if not is_ordinary(begin, zone):
                near.append(day)
            elif minutes := self._minutes(day):
                low = bisect_left(minutes, -((begin - first) // _MINUTE)) if first > begin else 0
                high = bisect_right(minutes, (until - begin) // _MINUTE)
                if high > low:
                    count += high - low
                    last = begin + minutes[high - 1] * _MINUTE
            day += _DAY
        pieces = self._pieces(near, zone)
        around = {begin + minute * _MINUTE for begin, minutes in pieces for minute in minutes}
        chosen = [due for due in around if first <= due <= until]
        if chosen:
            last = max(chosen) if last is None else max(last, *chosen)
        return Tally(count + len(chosen), last)


def _first(pieces: Iterable[Piece], after: datetime) -> datetime | None:
    found: datetime | None = None
    for begin, minutes in pieces:
        place = bisect_right(minutes, (after - begin) // _MINUTE) if after >= begin else 0
        if place < len(minutes):
            due = begin + minutes[place] * _MINUTE
            found = due if found is None or due < found else found
    return found


@lru_cache(maxsize=10_000)
def parse(text: str) -> Cron:
    return Cron(text)
