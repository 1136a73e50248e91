"""Fixtures of tests/integration."""

from tests.support.bad_servers import odd_server
from tests.support.beat import drive, new_beat
from tests.support.console import console, new_console
from tests.support.discovery import discovery
from tests.support.listings import make_listing, scrapes, site_server
from tests.support.mistakes import shipped
from tests.support.network import names
from tests.support.notices import channels, mail, people
from tests.support.prices import daily_answer, prices
from tests.support.progress import half_done
