"""Sites whose ads scripts draw: a real Chromium, fed by the client alone."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from psycopg.types.json import Jsonb

from tasks.listings import scrape
from tasks.listings.commands import listings
from tests.support.tools import need
from workers.upstreams.browser import PROGRAMS

CHROMIUM = next(filter(None, map(shutil.which, PROGRAMS)), None)


@pytest.fixture(autouse=True)
def chromium() -> None:
    need(CHROMIUM, "Chromium (apt-get install chromium)")


SHELL = """<!doctype html><html><body><ul id=ads></ul>
<img src="/pixel.png"><img src="http://127.0.0.2:9/elsewhere.png">
<script src="/draw.js"></script></body></html>"""

DRAW = """
new WebSocket(location.origin.replace('http', 'ws') + '/live');
navigator.sendBeacon('/beacon', 'seen');
fetch('http://127.0.0.2:9/tracker').catch(() => 0);
const page = new URLSearchParams(location.search).get('p') || '1';
fetch('/data?p=' + page, {headers: {'X-Shop': 'amps'}}).then(r => r.json()).then(ads => {
  for (const ad of ads) {
    const card = document.createElement('li');
    card.className = 'ad'; card.dataset.id = ad.id;
    card.innerHTML = `<a class=to href="/ad/${ad.id}"><h3></h3></a><b class=cost>${ad.price}</b>`;
    card.querySelector('h3').textContent = ad.title + (navigator.webdriver ? '' : ' (hidden)');
    document.getElementById('ads').append(card);
  }
  if (page === '1') document.body.insertAdjacentHTML('beforeend', '<a rel=next href="?p=2">more</a>');
});"""

SELECTORS = {
    "card": "li.ad",
    "title": "h3",
    "id": "li.ad@data-id",
    "link": "a.to@href",
    "price": ".cost",
    "next": "a[rel=next]",
}


def page_of(path: str) -> tuple[int, dict[str, str], str] | None:
    if path.startswith("/ads/"):
        return 200, {"Content-Type": "text/html", "ETag": '"shell"'}, SHELL
    if path == "/draw.js":
        return 200, {"Content-Type": "text/javascript"}, DRAW
    if path.startswith("/data"):
        number = path.rpartition("=")[2]
        ad = {"id": f"a-{number}", "title": f"Amp {number}", "price": f"{number}00 EUR"}
        return 200, {"Content-Type": "application/json"}, json.dumps([ad])
    return 404, {}, ""


@pytest.fixture
def drawn(scrapes: Any) -> Any:
    scrapes.site_server.reply = page_of
    scrapes.sql.execute(
        "insert into upstream (name, base_url, obey_robots) values ('drawn', %s, true)",
        (scrapes.site_server.url,),
    )
    scrapes.sql.execute(
        "insert into site (name, upstream, title, fetch_by, page_path, selectors)"
        " values ('drawn', 'drawn', 'Drawn by scripts', 'browser', '?p={page}', %s)",
        (Jsonb(SELECTORS),),
    )
    scrapes.sql.execute(
        "insert into category (site, external_id, slug, title, path)"
        " values ('drawn', '1', 'amps', 'Amps', '/ads/')"
    )
    return scrapes


def descendants(pid: int) -> set[int]:
    """Processes below ``pid`` (Linux: /proc)."""
    parents: dict[int, int] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents[int(stat.parent.name)] = int(fields[1])
    below = {pid}
    while more := {child for child, parent in parents.items() if parent in below} - below:
        below |= more
    return below - {pid}


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_ads_drawn_by_scripts_are_read_and_every_call_has_a_permit(drawn: Any) -> None:
    run = drawn.run(site="drawn", max_pages=2)
    assert run["state"] == "succeeded", run["error"]
    assert run["result"]["summary"] == "2 pages, 2 ads, 2 new, 0 changed"
    assert [row["title"] for row in drawn.all("select title from listing order by 1")] == [
        "Amp 1",
        "Amp 2",
    ]
    # Pictures, beacons, sockets and other servers are refused; a script is fetched once.
    asked = ["/robots.txt", "/ads/", "/draw.js", "/data?p=1", "/ads/?p=2", "/data?p=2"]
    assert drawn.site_server.asked == asked
    assert drawn.one("select count(*) as n from permit where upstream = 'drawn'")["n"] == len(asked)
    data = drawn.site_server.headers[3]
    assert data["x-shop"] == "amps"
    assert {one["User-Agent"] for one in drawn.site_server.headers} == {data["User-Agent"]}
    assert "Mozilla" not in data["User-Agent"]


def test_a_site_that_a_browser_draws_is_previewed_as_it_is_scraped(drawn: Any) -> None:
    answer = CliRunner().invoke(listings, ["preview", "drawn", "--json"])
    assert answer.exit_code == 0, answer.output
    assert json.loads(answer.stdout)[0]["title"] == "Amp 1"


def test_what_robots_txt_forbids_a_script_is_not_fetched_for_it(drawn: Any) -> None:
    drawn.site_server.robots = "User-agent: *\nDisallow: /data\n"
    run = drawn.run(site="drawn", max_pages=1)
    assert run["state"] == "failed"
    assert "no ad found on the first page" in run["error"]
    assert not any(path.startswith("/data") for path in drawn.site_server.asked)


def test_a_script_that_is_told_too_much_blocks_the_site_and_gives_the_worker_back(drawn: Any) -> None:
    def too_much(path: str) -> Any:
        return (429, {"Retry-After": "30"}, "") if path.startswith("/data") else page_of(path)

    drawn.site_server.reply = too_much
    run = drawn.run(site="drawn", max_pages=1, timeout_seconds=10)
    assert run["state"] == "running", run["error"]
    state = drawn.one("select * from upstream_state where upstream = 'drawn'")
    assert "429" in state["blocked_reason"]
    batch = drawn.one("select state, deaths, not_before from batch where run_id = %s", run["id"])
    assert (batch["state"], batch["deaths"]) == ("waiting", 0)


def test_a_challenge_that_stands_on_the_drawn_page_is_blocked_and_not_solved(drawn: Any) -> None:
    shell = "<html><title>Just a moment...</title><body>Checking your browser</body></html>"
    drawn.site_server.reply = lambda _: (200, {"Content-Type": "text/html"}, shell)
    run = drawn.run(site="drawn", max_pages=1)
    assert run["state"] == "failed"
    assert "blocked: answered 200 with a challenge page" in run["error"]
    assert drawn.one(
        "select blocked_until > now() as shut from upstream_state where upstream = 'drawn'"
    )["shut"]


def test_a_page_that_never_stops_asking_is_taken_as_it_stands(drawn: Any) -> None:
    endless = DRAW + "setInterval(() => fetch('/data?p=9'), 100);"

    def reply(path: str) -> Any:
        return (
            (200, {"Content-Type": "text/javascript"}, endless) if path == "/draw.js" else page_of(path)
        )

    drawn.site_server.reply = reply
    run = drawn.run(site="drawn", max_pages=1, timeout_seconds=10)
    assert run["state"] == "succeeded", run["error"]
    assert drawn.ad("a-1")["price"] == 100
    assert len(drawn.site_server.asked) <= 45


FORM = """
document.cookie = 'seen=1; path=/';
fetch('/hello').then(() => fetch('/data?p=1', {method: 'POST', body: new URLSearchParams({q: 'ämps', n: 1})}))
  .then(r => r.json()).then(ads => { for (const ad of ads) document.getElementById('ads').innerHTML +=
    `<li class=ad data-id=${ad.id}><a class=to href=/ad/${ad.id}><h3>${ad.title}</h3></a></li>`; });"""


def test_a_form_that_a_script_sends_arrives_as_it_was_and_cookies_one_by_one(drawn: Any) -> None:
    expires = "Expires=Wed, 01 Jan 2070 00:00:00 GMT"

    def reply(path: str) -> Any:
        if path == "/draw.js":
            return 200, {"Content-Type": "text/javascript; charset=utf-8"}, FORM
        if path == "/hello":
            return 200, {"Set-Cookie": [f"a=1; {expires}; Path=/", "b=2; Path=/"]}, "hello"
        return page_of(path)

    drawn.site_server.reply = reply
    run = drawn.run(site="drawn", max_pages=1)
    assert run["state"] == "succeeded", run["error"]
    ((path, kind, body),) = drawn.site_server.posted
    assert (path, body) == ("/data?p=1", b"q=%C3%A4mps&n=1")
    assert kind.startswith("application/x-www-form-urlencoded")
    sent = drawn.site_server.headers[-1]["cookie"]
    assert set(sent.split("; ")) == {"seen=1", "a=1", "b=2"}


def test_a_page_whose_calls_never_fit_its_time_fails_with_a_sentence(drawn: Any) -> None:
    drawn.sql.execute("update upstream set spacing = '20 s' where name = 'drawn'")
    drawn.site_server.robots = ""
    run = drawn.run(site="drawn", max_pages=1, timeout_seconds=10)
    for _ in range(10):
        if run["state"] != "running":
            break
        # What a call took is forgotten, as after a while, so that the document has its permit at once.
        drawn.sql.execute("delete from permit")
        drawn.sql.execute("update upstream_state set next_permit_at = now()")
        run = drawn.go_on(run["id"])
    assert run["state"] == "failed"
    assert "page 1 was begun 5 times and never complete" in run["error"]
    log = drawn.one("select state, reason from scrape_log")
    assert log["state"] == "failed"


def test_a_site_that_a_browser_draws_is_read_by_the_workers_of_the_browsers_queue(drawn: Any) -> None:
    drawn.sql.execute(
        "insert into heartbeat (name, role, detail) values ('browser@h', 'worker', '{\"queues\": [\"browser\"]}')"
    )
    run = drawn.run(site="drawn", max_pages=1)
    batch = drawn.one("select queue, state, error from batch where run_id = %s", run["id"])
    assert batch == {"queue": "browser", "state": "waiting", "error": "its pages need a browser"}
    assert drawn.site_server.asked == []

    run = drawn.go_on(run["id"])
    assert (run["state"], run["queue"]) == ("succeeded", "browser")


def test_where_no_worker_has_the_browsers_queue_a_process_has_one_browser(drawn: Any) -> None:
    with scrape._browser:
        run = drawn.run(site="drawn", max_pages=1)
    batch = drawn.one("select queue, state, error from batch where run_id = %s", run["id"])
    assert batch == {
        "queue": "listings", "state": "waiting", "error": "another browser is open in this process"
    }  # fmt: skip

    assert drawn.go_on(run["id"])["state"] == "succeeded"


def test_without_chromium_the_run_says_what_to_install(
    drawn: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.upstreams.browser.PROGRAMS", ("no-such-browser",))
    run = drawn.run(site="drawn")
    assert run["state"] == "failed"
    assert "WATCHKEEPER_CHROMIUM is not set: no Chromium on PATH" in run["error"]
    assert drawn.site_server.asked == []


def test_a_way_of_fetching_that_is_none_is_refused(drawn: Any) -> None:
    import psycopg

    with pytest.raises(psycopg.errors.CheckViolation, match="fetch_by must be http, or browser"):
        drawn.sql.execute("update site set fetch_by = 'telnet' where name = 'drawn'")


SCRAPE = """
import sys, uuid
from workers.app import app
app.loader.import_default_modules()
app.tasks["tasks.listings.scrape"].apply(kwargs={"site": "drawn"}, task_id=str(uuid.uuid4()))
"""


@pytest.fixture
def asked_for_data(drawn: Any) -> Iterator[threading.Event]:
    """Set when the page's script asks for its data, which never comes."""
    asked, release = threading.Event(), threading.Event()

    def reply(path: str) -> Any:
        if path.startswith("/data"):
            asked.set()
            release.wait(60)
        return page_of(path)

    drawn.site_server.reply = reply
    yield asked
    release.set()


def test_no_process_stays_when_the_worker_is_killed_with_kill_9(
    drawn: Any, asked_for_data: threading.Event, eventually: Any
) -> None:
    worker = subprocess.Popen([sys.executable, "-c", SCRAPE], env=os.environ.copy())
    try:
        assert asked_for_data.wait(60)
        below = descendants(worker.pid)
        commands = {Path(f"/proc/{pid}/comm").read_text().strip() for pid in below}
        assert any("chrom" in name for name in commands), commands
    finally:
        worker.send_signal(signal.SIGKILL)
        worker.wait()
    eventually(lambda: not any(map(is_alive, below)), within=10)
