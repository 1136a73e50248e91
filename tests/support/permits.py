"""One permit, asked for alone."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from workers.db import Driver
from workers.upstreams.permits import Answered, Grant, Question, take_many


def take_one(
    connection: Driver,
    upstream: str,
    lease: timedelta,
    *,
    answered: tuple[Answered, ...] = (),
    **who: Any,
) -> Grant:
    (grant,) = take_many(connection, upstream, [Question(lease, **who)], answered)
    return grant
