"""Fixtures of tests/acceptance."""

from tests.support.beat import drive, new_beat
from tests.support.console import console, new_console
from tests.support.discovery import discovery
from tests.support.listings import make_listing, scrapes, site_server
from tests.support.notices import mail, people
from tests.support.prices import daily_answer, prices
