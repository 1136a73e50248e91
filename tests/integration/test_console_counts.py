"""Every number on every page leads to what it counts, and the list has as many rows."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, urljoin, urlsplit

import jinja2
import pytest
from lxml import html  # type: ignore[import-untyped]

from console import templating
from tests.support import frozen
from workers.text import short
from workers.text.words import count_words

#: Characters of no text, around each number that a template writes.
BEGIN, END = "\ue000", "\ue001"
#: Items as the runs' own counts have them, where a run has no batch.
ITEMS = """
insert into batch (run_id, seq, task, queue, state, total, done, failed, deferred, items)
select r.id, 0, r.task, r.queue, 'done', r.total, r.done, r.failed, r.deferred,
       (select jsonb_agg(jsonb_strip_nulls(jsonb_build_object('key', n::text, 'state', is_.state,
                  'error', case is_.state when 'failed' then 'answered ' || 500 + n % 2 end)))
          from generate_series(1, r.total) n
         cross join lateral (select case when n <= r.done then 'done' when n <= r.done + r.failed then 'failed' end) is_(state))
  from run r where r.total > 0 and not exists (select from batch b where b.run_id = r.id);
update run r set batch_count = (select count(*) from batch b where b.run_id = r.id);
update batch set items = (select jsonb_agg(jsonb_strip_nulls(jsonb_build_object('key', n::text, 'state',
           case when n <= done then 'done' when n <= done + failed then 'failed' end)))
          from generate_series(1, total) n) where items is null
"""
#: Calls with every outcome, in flight, before the day and of a run; queues, groups, more schedules of a watch than the strip names.
MORE = """
insert into permit (upstream, granted_at, stamp, settled, status, run_id)
select 'dexscreener', at, at, true, (array[200, 204, 301, 404, 429, 503, null])[1 + n % 7],
       case when n < 30 then uuid '22222222-1000-4000-8000-000000000002' end
  from generate_series(1, 150) n cross join lateral (select timestamptz '2026-01-15 12:00Z' - n * interval '12 minutes' as at) its;
insert into permit (upstream, granted_at, stamp, settled) values
 ('dexscreener', '2026-01-15 11:59:59Z', '2026-01-15 12:00:20Z', false), ('dexscreener', '2026-01-15 11:59:58Z', '2026-01-15 12:00:30Z', false);
insert into run_count (day, task, state, number)
select finished_at::date, task, state, count(*) from run where finished_at is not null group by 1, 2, 3;
insert into schedule (name, task, every) select 'more-' || n, 'tasks.discovery.discover', '1 hour' from generate_series(1, 60) n;
insert into schedule_state (schedule, anchor_at, planned_revision, next_run_at, claim_at, consecutive_failures)
select name, '2026-01-01Z', 0, '2026-01-15 18:00Z', '2026-01-15 18:00Z', case name when 'more-7' then 1 else 0 end from schedule
 where name not in (select schedule from schedule_state);
insert into worker_group (name, min_processes, max_processes) values ('fast', 1, 4);
update schedule_state set last_state = 'succeeded', success_share = 0.75, median_duration = '90 seconds', last_run_at = '2026-01-15 08:00Z'
 where schedule in ('surveillance', 'retention');
insert into notice (id, channel, key, content, state, attempts, not_before, created_at) overriding system value
select 100 + n, 'phone', 'many-' || n, '{"title": "one of many"}', 'waiting', 2, '2026-01-15 11:00Z', '2026-01-15 10:00Z' from generate_series(1, 55) n
"""
#: A value that counts no rows, as a price or a limit; and what is done to so many, which a page counts elsewhere.
NO_COUNTS = ("data[@value]", "button")
#: Each form of address is read so often.
OF_A_FORM = 1


@pytest.fixture
def marked(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each number that a template writes stands between two marks."""

    def mark(text: Any) -> str:
        return f"{BEGIN}{text}{END}"

    def finalize(value: Any) -> Any:
        return mark(value) if isinstance(value, int | float) and not isinstance(value, bool) else value

    number, plural = short.number, count_words
    monkeypatch.setattr(short, "number", lambda it: mark(number(it)) if it is not None else number(it))
    monkeypatch.setattr(
        templating, "count_words", lambda *it: re.sub(r"[\d,]+", lambda n: mark(n[0]), plural(*it))
    )
    monkeypatch.setattr(
        templating, "Environment", lambda **how: jinja2.Environment(**how, finalize=finalize)
    )
    templating.environment.cache_clear()
    yield
    templating.environment.cache_clear()


class Reader:
    """Pages as they are marked; attributes as browsers have them."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._read: dict[str, Any] = {}

    def page(self, address: str) -> Any:
        address = address.partition("#")[0]
        if address not in self._read:
            answer = self._client.get(address)
            # A rule that cannot be read is refused on its page.
            assert answer.status_code in {200, 422}, (address, answer.text)
            page = html.document_fromstring(answer.text)
            for element in page.iter(html.etree.Element):
                for name, value in element.attrib.items():
                    element.attrib[name] = value.replace(BEGIN, "").replace(END, "")
            self._read[address] = page
        return self._read[address]

    def drawn(self, chart: str) -> Any:
        return self._client.get(chart).json()

    def rows(self, address: str) -> int:
        """Rows of the list at an address, over all of its pages."""
        fragment, found = urlsplit(address).fragment, 0
        while True:
            page = self.page(address)
            within = page.get_element_by_id(fragment, page) if fragment else page
            tables = within.xpath(".//table[contains(@class, 'found')]")
            assert len(tables) == 1, f"{address} has {len(tables)} lists"
            found += len(tables[0].xpath("./tbody/tr[not(@class='fold') and not(td[@class='empty'])]"))
            following = within.xpath(".//a[@rel='next']/@href")
            if not following:
                return found
            address = urljoin(address, following[0]) + (f"#{fragment}" if fragment else "")


def numbers(page: Any) -> Iterator[tuple[Any, str]]:
    """Each marked number, and the element in which it stands."""
    for text in page.xpath("//body//text()"):
        for found in re.findall(f"{BEGIN}(.*?){END}", text):
            parent = text.getparent()
            yield (parent if text.is_text else parent.getparent()), found


def around(element: Any, name: str) -> Any:
    return next(iter(element.xpath(f"ancestor-or-self::{name}")), None)


def chips(page: Any) -> int:
    return len(page.xpath("//a[contains(@class, 'chip')][@aria-current='true']"))


def filters(address: str) -> int:
    asked = dict(parse_qsl(urlsplit(address).query))
    return len(asked.keys() - {"cursor", "sort", "q"})


def test_every_number_leads_to_what_it_counts(
    database: Any, connection: Any, new_console: Any, marked: None
) -> None:
    frozen.freeze(database)
    for statement in (ITEMS, MORE):
        connection.execute(f"set session_replication_role = replica; {statement}")
    connection.execute("reset session_replication_role")
    reader = Reader(new_console().as_("operator"))

    bare, counted, wrong = [], {}, []
    forms: dict[str, list[str]] = {}
    waiting, seen = deque(["/"]), {"/"}
    while waiting:
        address = waiting.popleft()
        page = reader.page(address)
        for link in {one.partition("#")[0] for one in page.xpath("//a/@href[starts-with(., '/')]")}:
            form = re.sub(r"[0-9a-f-]{36}|=[^&]*|(?<=s/)[^/?]+", "…", link)
            if (
                link not in seen
                and len(forms.setdefault(form, [])) < OF_A_FORM
                and not link.startswith("/static")
            ):
                seen.add(link)
                forms[form].append(link)
                waiting.append(link)
        for element, number in numbers(page):
            link = around(element, "a[@href]")
            if link is not None and "count" in link.get("class", "").split():
                counted[urljoin(address, link.get("href"))] = (number, address)
            elif link is None and all(around(element, tag) is None for tag in NO_COUNTS):
                bare.append((address, number, element.tag, "".join(element.itertext())[:60]))
    unsaid = [link for link in counted if chips(reader.page(link)) < filters(link)]
    for link, (number, address) in counted.items():
        rows = reader.rows(link)
        if rows != int(number.strip("+").replace(",", "")):
            wrong.append((address, number, link, rows))
    for upstream in ("dexscreener", "alpha_vantage"):
        drawn = reader.drawn(f"/budgets/{upstream}/chart")
        for link, *values in zip(
            drawn["links"], *(one["values"] for one in drawn["series"]), strict=True
        ):
            if sum(values) != reader.rows(link):
                wrong.append((upstream, str(values), link, reader.rows(link)))

    assert bare == []
    assert wrong == []
    assert unsaid == [], "these lists do not say by what they are filtered"
    assert len(counted) > 60
    assert len(forms) > 40
