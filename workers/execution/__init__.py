"""What a domain's code runs under: the application, its settings and queues, the unit of work.

Also trading days, and what commands at a terminal are made of.  Tasks import these names.  Each is
loaded when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workers import loaded_when_used

if TYPE_CHECKING:
    from workers import cli as cli
    from workers.calendars import market_sessions as market_sessions
    from workers.calendars.exchanges import sessions_of as sessions_of
    from workers.calendars.markets import Market as Market
    from workers.execution.application import app as app
    from workers.execution.items import Item as Item
    from workers.execution.one_at_a_time import computing as computing
    from workers.execution.work import Work as Work
    from workers.settings import BROWSER_QUEUE as BROWSER_QUEUE
    from workers.settings import NOTICES_QUEUE as NOTICES_QUEUE
    from workers.settings import settings as settings
    from workers.text.statements import statements as statements
    from workers.text.words import count_words as count_words

#: Public names, and where they stand.
NAMES = {
    "BROWSER_QUEUE": "workers.settings:BROWSER_QUEUE",
    "Item": "workers.execution.items:Item",
    "Market": "workers.calendars.markets:Market",
    "NOTICES_QUEUE": "workers.settings:NOTICES_QUEUE",
    "Work": "workers.execution.work:Work",
    "app": "workers.execution.application:app",
    "cli": "workers.cli:",
    "computing": "workers.execution.one_at_a_time:computing",
    "count_words": "workers.text.words:count_words",
    "market_sessions": "workers.calendars.market_sessions:",
    "sessions_of": "workers.calendars.exchanges:sessions_of",
    "settings": "workers.settings:settings",
    "statements": "workers.text.statements:statements",
}
if not TYPE_CHECKING:
    __getattr__ = loaded_when_used(NAMES)
