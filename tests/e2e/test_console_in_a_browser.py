"""An operator's day at the console, in a real browser on a running sandbox."""

from __future__ import annotations

import html
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import Any

import psycopg
import pytest
from playwright.sync_api import Error, Page, Route, expect

from tests.support.animation import apng, frame
from tests.support.browser import Browser, Site, logged_in, running_chromium, running_site, violations
from tests.support.waiting import wait_for

# Its pages must answer in a time.
pytestmark = [pytest.mark.timeout(900), pytest.mark.units(2)]

PICTURES = os.environ.get("WATCHKEEPER_PICTURES")
#: How soon an edit is seen, wherever it was made (seconds).
PROMISED = 1.0
WIDE_NAMES = "[...document.querySelectorAll('td .name')].some(it => it.getBoundingClientRect().width > innerWidth)"
#: Cards that show what they hold only to who scrolls them sideways.
SIDEWAYS = """[...document.querySelectorAll('.card, main')].filter(it => it.scrollWidth > it.clientWidth)
    .map(it => `${it.className || it.tagName} ${it.scrollWidth} > ${it.clientWidth}: ${it.innerText.slice(0, 60)}`)"""
HEADINGS = "document.querySelectorAll('.stack th:not(.extra)').length"
WIDE_AD = """
    with ad as (
        insert into listing (id, site, external_id, title, url, price, currency, condition, seller, category_id)
        overriding system value
        select 1e9, site, 'wide', 'Sennheiser HD 800 S mint', 'http://127.0.0.1:54321/x', 12345.67, 'EUR',
               'Excellent/Like new', 'AudioPhile-9917', id from category limit 1
        returning id)
    insert into listing_price (listing_id, price, seen_at)
    select id, 12000 + 100 * n, clock_timestamp() - n * interval '1 day' from ad, generate_series(1, 5) n"""
PAGES = (
    "/", "/trouble", "/schedules", "/schedules/discovery-demo", "/schedules/_new?task=tasks.discovery.surveil",
    "/schedules/prices-demo/backfill", "/schedules/_bulk?action=pause&q=demo", "/runs", "/budgets",
    "/workers", "/watches", "/watches/tokens", "/watches/quotes", "/watches/listings", "/matches",
    "/channels", "/outbox", "/calls?upstream=dexscreener", "/batches", "/tables/rule", "/tables/rule/row?name=demo-rule", "/rules/demo-rule/try",
    "/tables/site/row?name=head_fi", "/changes", "/account",
)  # fmt: skip


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with running_site(tmp_path_factory.mktemp("sandbox") / "run.log") as made:
        made.sql("""
            insert into schedule (name, title, task, every, enabled, note)
            select 'many-' || n, 'One of many', 'tasks.upkeep.retention', '1 day', false, 'made by a test'
              from generate_series(1, 10000) n""")
        made.sql(
            "update schedule set note = 'one of a batch of twenty' where name ~ '^many-99(0[1-9]|1[0-9]|20)$'"
        )
        made.sql("""
            insert into rule (name, expression, enabled)
            values (repeat('long-', 30) || 'name', format('title contains "%s"', repeat('x', 400)), false)""")
        # A course beside words as long as people's.
        with psycopg.connect(made.owner) as connection:
            connection.execute(WIDE_AD)
        yield made


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with running_chromium() as made:
        yield made


@pytest.fixture
def browser(site: Site, chromium: Any) -> Iterator[Browser]:
    with logged_in(site, chromium) as made:
        yield made
        assert made.wrong == []


def test_an_operator_finds_edits_makes_and_deletes(browser: Browser, site: Site) -> None:
    page = browser.page()

    # A list that was asked for before the search is answered after it: the one asked for here, or by the stream.
    late: list[Route] = []
    page.route(
        re.compile("/schedules$"),
        lambda route: (
            late.append(route) if "hx-request" in route.request.headers else route.continue_()
        ),
    )
    page.goto("/schedules")
    page.evaluate("htmx.trigger('#live', 'refresh')")
    page.get_by_label("Search name, title or note").press_sequentially("any-7341")
    expect(page.locator("tbody tr")).to_have_count(1)
    assert late
    for route in late:
        # The page has given up some of them.
        with suppress(Error):
            route.continue_()
    page.unroute(re.compile("/schedules$"))
    refreshed(page)
    expect(page.locator("tbody tr")).to_have_count(1)
    # What was found stays when one comes back to it.
    page.get_by_role("link", name="many-7341", exact=True).click()
    expect(page.locator("h1")).to_contain_text("many-7341")
    page.go_back()
    expect(page).to_have_url(re.compile(r"/schedules\?q=any-7341$"))
    expect(page.get_by_role("link", name="many-7341", exact=True)).to_be_visible()

    page.goto("/schedules/discovery-demo")
    page.get_by_label("Every", exact=True).fill("45 seconds")
    expect(page.locator("#next")).to_contain_text("every 45 seconds")
    # Also once the part around it is fetched again, as when a run begins.
    refreshed(page)
    assert "every 45 seconds" in page.locator("#next").inner_text()
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#beat")).to_contain_text("beat has it")
    assert site.sql("select every from schedule where name = 'discovery-demo'") == "00:00:45"
    took = [seconds_of_beat(page)]

    page.get_by_label("Min price change pct").fill("1500")
    page.get_by_role("button", name="Save").click()
    refused = page.locator(".refused").first
    expect(refused).to_contain_text("must be a number from 0 to 1000")
    expect(page.get_by_label("Min price change pct")).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_label("Min price change pct")).to_be_focused()

    page.goto("/schedules/_new?task=tasks.upkeep.sessions")
    page.get_by_label("Name", exact=True).fill("made-here")
    page.get_by_label("Every", exact=True).fill("2 days")
    page.get_by_role("button", name="Make it").click()
    expect(page.locator("h1")).to_contain_text("made-here")
    took.append(seconds_of_beat(page))
    assert max(took) < PROMISED, took
    page.get_by_role("link", name="Copy …").click()
    page.get_by_label("New name").fill("made-here-too")
    page.get_by_role("button", name="Copy").click()
    expect(page.locator("h1")).to_contain_text("made-here-too")
    page.get_by_role("link", name="Delete …").click()
    page.get_by_role("button", name="Delete").click()
    page.wait_for_url("**/schedules")
    assert site.sql("select count(*) from schedule where name like 'made-here%'") == "1"

    page.goto("/changes?table=schedule&name=discovery-demo")
    page.get_by_role("button", name="undo").first.click()
    wait_for(
        lambda: site.sql("select every from schedule where name = 'discovery-demo'") == "00:00:30", 20
    )


def test_what_is_opened_stays_open_when_the_list_is_fetched_again(browser: Browser) -> None:
    page = browser.page()
    page.goto("/changes?table=rule&name=demo-rule")
    page.get_by_text("as it was").click()
    refreshed(page)
    expect(page.get_by_text("expression")).to_be_visible()


def test_a_login_that_ends_takes_nothing_that_was_typed(browser: Browser) -> None:
    page = browser.page()
    page.goto("/schedules/discovery-demo")
    page.get_by_label("Note").fill("as I typed it")
    cookies = page.context.cookies()
    page.context.clear_cookies()
    page.evaluate("htmx.trigger('#live', 'refresh')")
    expect(page.get_by_text("your login is over")).to_be_visible()
    page.context.add_cookies(cookies)
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#beat")).to_contain_text("beat has it")
    expect(page.get_by_label("Note")).to_have_value("as I typed it")

    page.context.clear_cookies()
    page.evaluate("htmx.trigger('#live', 'refresh')")
    page.wait_for_url("**/login?next=%2Fschedules%2Fdiscovery-demo%3Fsaved%3D*")


def refreshed(page: Page) -> None:
    """Fetch the live part again."""
    page.evaluate("""() => new Promise((swapped) => {
        document.addEventListener("htmx:after:swap", () => swapped(), { once: true });
        htmx.trigger("#live", "refresh");
    })""")


def seconds_of_beat(page: Page) -> float:
    """By the database's clock: from the edit until beat had planned it."""
    expect(page.locator("#beat")).to_contain_text(re.compile(r"beat has it · [0-9.]+ s"))
    return float(page.locator("#beat").inner_text().split()[-2])


def test_an_operator_pauses_many_by_a_filter_and_resumes_them(browser: Browser, site: Site) -> None:
    page = browser.page()

    # 9901 to 9920 and no other.
    page.goto("/schedules?q=batch of twenty&sort=name")
    page.get_by_role("button", name="Pause …").click()
    expect(page.locator("h1")).to_contain_text("Pause 20 schedules")
    page.get_by_label("Why").fill("moving house")
    page.get_by_label("Until", exact=True).fill("2 hours")
    page.get_by_role("button", name="Pause 20").click()
    expect(page.locator("h1")).to_contain_text("20 schedules paused")
    paused = (
        "select count(*) from schedule where paused_until > now() and pause_reason = 'moving house'"
    )
    assert site.sql(paused) == "20"
    # One more, by hand, with an end of its own: it stays paused.
    site.sql(
        "update schedule set paused_until = 'infinity', pause_reason = 'by hand' where name = 'many-1'"
    )
    page.get_by_role("button", name="Resume exactly these").click()
    expect(page.locator(".notice")).to_contain_text("20 schedules resumed")
    assert site.sql(paused) == "0"
    assert site.sql("select pause_reason from schedule where name = 'many-1'") == "by hand"


def test_an_operator_runs_backfills_raises_a_limit_and_tests_a_channel(
    browser: Browser, site: Site
) -> None:
    page = browser.page()

    # On a slow machine a run that its timing asked for may still be active.
    site.sql("update schedule set overlap = 'buffer_one' where name = 'discovery-demo'")
    page.goto("/schedules/discovery-demo")
    page.get_by_role("button", name="Run now").click()
    page.wait_for_url("**/runs/*")
    expect(page.locator("main")).to_contain_text("succeeded", timeout=90_000)
    expect(page.locator("#progress")).to_contain_text("100 %")

    page.goto("/schedules/prices-demo/backfill")
    page.get_by_label("From").fill("2026-11-20 00:00")
    page.get_by_label("To", exact=True).fill("2026-11-20 00:02")
    page.get_by_role("button", name="Count its cost").click()
    start = page.get_by_role("button", name=re.compile("Start [23] runs"))
    number = int(start.inner_text().split()[1])
    start.click()
    page.wait_for_url("**/runs?schedule=prices-demo&trigger=backfill")
    expect(page.locator("tbody tr")).to_have_count(number)

    page.goto("/budgets")
    card = page.locator("#geckoterminal")
    card.get_by_text("change this limit").click()
    card.get_by_label("calls per 1 minute").fill("31")
    card.get_by_role("button", name="Save").click()
    expect(page.locator("#geckoterminal")).to_contain_text("of 31 used")
    assert site.sql("select calls from quota where upstream = 'geckoterminal'") == "31"

    page.goto("/channels")
    page.get_by_role("row", name="demo-mailbox").get_by_role("button", name="Send test").click()
    page.wait_for_url("**/outbox?channel=demo-mailbox")
    expect(page.get_by_role("row", name="Test").first).to_be_visible()


def test_a_waiting_run_goes_on_once_its_limit_is_raised(browser: Browser, site: Site) -> None:
    page = browser.page()
    site.sql("insert into quota (upstream, per, calls) values ('dexscreener', '50 minutes', 1)")
    site.sql("""
        insert into schedule (name, task, every, enabled, options)
        select 'limited', task, '1 day', false, options from schedule where name = 'discovery-demo'""")

    page.goto("/schedules/limited")
    page.get_by_role("button", name="Run now").click()
    page.wait_for_url("**/runs/*")
    run = page.url
    # On a slow machine other runs come first.
    expect(page.locator("#run")).to_contain_text("waits for dexscreener until", timeout=90_000)

    page.goto("/budgets")
    card = page.locator("#dexscreener")
    expect(card.get_by_role("link", name="limited")).to_have_attribute("href", re.compile("^/runs/"))
    card.get_by_text("change this limit").first.click()
    card.get_by_label("calls per 50 minutes").fill("10,000")
    card.get_by_role("button", name="Save").first.click()
    expect(card).to_contain_text("of 10,000 used")
    page.goto(run)
    expect(page.locator("#run")).to_contain_text("succeeded", timeout=90_000)
    site.sql("delete from quota where upstream = 'dexscreener' and per = '50 minutes'")


def test_an_edit_is_shown_while_much_runs(browser: Browser, site: Site) -> None:
    page = browser.page()
    page.goto("/schedules?q=many-5556")
    row = page.locator("#row-many-5556")
    expect(row).to_contain_text("made by a test")
    wait_for(lambda: page.evaluate("document.getElementById('cut').hidden"), 10)
    # A burst: more keys than are few, so that parts are fetched every 5 s.
    with page.expect_response(lambda answer: "many-5556" in answer.url):
        site.sql("""
            insert into run_request (action, schedule) select 'run', 'many-' || n from generate_series(1, 40) n""")
    site.sql("update schedule set note = 'edited in a burst' where name = 'many-5556'")
    expect(row).to_contain_text("edited in a burst", timeout=4000)


def test_an_edit_in_psql_shows_in_an_open_page(browser: Browser, site: Site) -> None:
    page = browser.page()
    page.goto("/schedules?q=many-5555")
    expect(page.locator("#row-many-5555")).to_contain_text("made by a test")
    wait_for(lambda: page.evaluate("document.getElementById('cut').hidden"), 10)
    # The stream is open once its first look has been taken.
    page.wait_for_timeout(1500)

    took = [shown_after(page, site, "many-5555", f"written in psql {time}") for time in range(5)]

    # Each edit follows at once on what was shown: a page that asks now and then would take its whole period.
    assert median(took) < PROMISED, took


def test_the_buttons_of_an_open_schedule_follow_a_pause(browser: Browser, site: Site) -> None:
    page = browser.page()
    page.goto("/schedules/prices-demo")
    wait_for(lambda: page.evaluate("document.getElementById('cut').hidden"), 10)
    head = page.locator(".head")
    expect(head.get_by_role("link", name="Pause …")).to_be_visible()

    site.sql("update schedule set paused_until = 'infinity' where name = 'prices-demo'")
    expect(head.get_by_role("button", name="Resume")).to_be_visible()
    expect(head.get_by_role("link", name="Pause …")).to_have_count(0)

    site.sql("update schedule set paused_until = null where name = 'prices-demo'")
    expect(head.get_by_role("link", name="Pause …")).to_be_visible()
    expect(head.get_by_role("button", name="Resume")).to_have_count(0)


def test_a_page_hears_of_changes_though_a_script_comes_late(browser: Browser, site: Site) -> None:
    page = browser.page()

    def late(route: Route) -> None:
        page.wait_for_function("window.htmx")
        page.evaluate("new Promise((done) => setTimeout(done, 100))")
        route.continue_()

    page.route("**/hx-sse.min.js*", late)
    page.goto("/schedules")
    wait_for(lambda: any("sse:after:connection" in line for line in page.evaluate("window.heard")), 20)


def shown_after(page: Page, site: Site, schedule: str, note: str) -> float:
    """Seconds from just before the commit of an edit by psql until the open page shows it."""
    page.evaluate(
        """([id, note]) => {
            window.seen = 0;
            new MutationObserver((_, observer) => {
                if (!document.getElementById(id)?.textContent.includes(note)) return;
                window.seen = Date.now() / 1000;
                observer.disconnect();
            }).observe(document, { childList: true, characterData: true, subtree: true });
        }""",
        [f"row-{schedule}", note],
    )
    edited = site.sql(
        f"update schedule set note = '{note}' where name = '{schedule}'"
        " returning extract(epoch from clock_timestamp())"
    )
    wait_for(lambda: page.evaluate("window.seen"), 20)
    seen: float = page.evaluate("window.seen")
    return seen - float(edited)


@pytest.mark.parametrize("size", ["wide", "phone"])
def test_every_page_is_accessible_and_fits(browser: Browser, size: str) -> None:
    page = browser.page(size)
    found = {}
    for path in PAGES:
        answer = page.goto(path)
        assert answer is not None
        assert answer.status == 200, path
        # The schemes differ in colours alone (tests/unit/test_console_files.py): the page is fetched once, and what
        # of it has no colour is looked at once.
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            found[path, scheme] = [
                *violations(page, colours_alone=scheme == "dark"),
                *misfits(page, size),
            ]
            if PICTURES:
                name = re.sub("/_?", "-", path.strip("/")).partition("?")[0] or "dashboard"
                page.screenshot(path=str(Path(PICTURES) / f"{name}-{size}-{scheme}.png"))
    assert {where: wrong for where, wrong in found.items() if wrong} == {}


def misfits(page: Page, size: str) -> Iterator[str]:
    """What of a page is not seen or not heard in a window of the size."""
    if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
        yield "it is wider than the window"
    if wide := page.evaluate(SIDEWAYS):
        yield f"these scroll sideways: {wide}"
    if size == "phone" and (lost := page.evaluate(HEADINGS) - headings_read(page)):
        yield f"a screen reader misses {lost} headings of tables"
    if page.evaluate(WIDE_NAMES):
        yield "a name takes the room of all other columns"


def headings_read(page: Page) -> int:
    """Headings of columns in the tree that screen readers read."""
    found: int = page.locator(".stack").get_by_role("columnheader").count()
    return found


def test_every_link_leads_to_a_page(browser: Browser, site: Site) -> None:
    asked = browser.page().request
    found: dict[str, str] = {}
    for path in PAGES:
        for link in re.findall(r'href="(/[^"]*)"', asked.get(path).text()):
            # One of each form: of the links to runs, the first run of each page, and so on.
            form = re.sub(r"[0-9a-f-]{36}|many-\d+|\d+|cursor=[^&]*|(?<=name=)[^&]*", "…", link)
            found.setdefault(form, html.unescape(link))

    # The changes name what was deleted.
    gone = site.sql(
        "select name from change where table_name = 'schedule' except select name from schedule"
    )
    deleted = {f"/schedules/{name}" for name in gone.split()}
    lost = {
        link: asked.get(link).status
        for link in found.values()
        if not link.startswith("/static/") and link not in deleted
    }
    assert len(lost) > 50
    assert {link: status for link, status in lost.items() if status != 200} == {}


def test_a_page_obeys_an_sql_update(browser: Browser, site: Site) -> None:
    page = browser.page("readme")
    terminal = browser.page("frame", "dark")
    page.goto("/schedules?q=discovery-demo")
    row = page.locator("#row-discovery-demo")
    expect(row).to_contain_text("every 30 seconds")
    page.wait_for_timeout(1500)
    frames = []

    def shown(said: str, seconds: float) -> None:
        frames.append((frame(terminal, said, page.screenshot()), seconds))

    statement = "UPDATE schedule\n   SET every = '10 seconds'\n WHERE name = 'discovery-demo';"
    shown("watchkeeper=> ", 1.5)
    shown(f"watchkeeper=> {statement}", 1.5)
    site.sql(statement)
    expect(row).to_contain_text("every 10 seconds", timeout=5000)
    shown(f"watchkeeper=> {statement}\nUPDATE 1\nwatchkeeper=> ", 2.5)
    ran = site.sql("select max(created_at) from run where schedule = 'discovery-demo'")
    wait_for(
        lambda: (
            site.sql(
                f"select count(*) > 1 from run where schedule = 'discovery-demo' and created_at > '{ran}'"
            )
            == "t"
        ),
        60,
    )
    page.wait_for_timeout(1500)
    shown(f"watchkeeper=> {statement}\nUPDATE 1\nwatchkeeper=> ", 3)
    site.sql("update schedule set every = '30 seconds' where name = 'discovery-demo'")
    if PICTURES:
        (Path(PICTURES) / "obey.png").write_bytes(apng(frames))


def test_a_killed_worker_comes_back(browser: Browser, site: Site) -> None:
    page = browser.page()
    page.goto("/break")
    page.get_by_role("button", name="Kill a worker").click()
    expect(page.locator("#recovered")).to_contain_text("after", timeout=120_000)
    expect(page.locator("#missing")).to_have_text("0")
    expect(page.locator("#twice")).to_have_text("0")
