"""Scrapes run in this process, on a real database, against a site of our own on loopback."""

from __future__ import annotations

import hashlib
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import psycopg
import pytest

#: Status, headers (several of a name: a list), body.
Reply = tuple[int, dict[str, Any], str | bytes]


@dataclass
class Ad:
    """An ad in Head-Fi's markup."""

    number: int
    title: str = "Sennheiser HD 650"
    price: str = "220 USD"
    kind: str = "For Sale"
    overlay: str = ""
    listed: str = ""
    fields: dict[str, str] = field(default_factory=dict)

    def html(self) -> str:
        overlay = (
            f'<span class="hfcOverlayGlobal--content">{self.overlay}</span>' if self.overlay else ""
        )
        when = (
            f'<div class="hfcListingDate"><time datetime="{self.listed}">x</time></div>'
            if self.listed
            else ""
        )
        fields = "".join(f"<dl><dt>{k}</dt><dd>{v}</dd></dl>" for k, v in self.fields.items())
        return (
            f'<a class="hfcUserListing" href="/classifieds/x.{self.number}/">{overlay}'
            f'<div class="hfcListingTitle">{self.title}</div>'
            f'<div class="hfcPrice"><span class="label">{self.kind}</span> {self.price}</div>'
            f'<div class="hfcCustomFields">{fields}</div>'
            f'<div class="hfcCreatorInfo">Listed by: <span>ann</span> (3)</div>{when}</a>'
        )


class SiteServer:
    """A site whose categories hold what ``ads`` says; ``reply`` overrides it."""

    def __init__(self) -> None:
        self.ads: dict[str, list[Ad]] = {}
        self.a_page = 2
        self.robots = ""
        self.asked: list[str] = []
        #: Path, kind and body of what was sent by POST.
        self.posted: list[tuple[str, str, bytes]] = []
        self.headers: list[dict[str, str]] = []
        self.etags = False
        self.has_pager = True
        self.reply: Callable[[str], Reply | None] = lambda _: None
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append(self.path)
                outer.headers.append(dict(self.headers))
                status, headers, body = outer.answer(self.path, self.headers.get("If-None-Match"))
                data = body.encode() if isinstance(body, str) else body
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(data))}.items():
                    for one in value if isinstance(value, list) else [value]:
                        self.send_header(name, one)
                self.end_headers()
                self.wfile.write(data)

            def do_POST(self) -> None:
                sent = self.rfile.read(int(self.headers["Content-Length"]))
                outer.posted.append((self.path, self.headers["Content-Type"], sent))
                self.do_GET()

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()

    def answer(self, path: str, known: str | None) -> Reply:
        if path == "/robots.txt":
            return 200, {}, self.robots
        special = self.reply(path)
        if special is not None:
            return special
        body = self.page(path)
        if not self.etags:
            return 200, {}, body
        etag = f'"{hashlib.blake2b(body.encode(), digest_size=8).hexdigest()}"'
        return (304, {"ETag": etag}, "") if known == etag else (200, {"ETag": etag}, body)

    def page(self, path: str) -> str:
        slug = path.split("/")[3].rpartition(".")[0]
        last = path.rstrip("/").rpartition("/")[2]
        number = int(last.removeprefix("page-")) if last.startswith("page-") else 1
        ads = self.ads.get(slug, [])
        shown = ads[(number - 1) * self.a_page : number * self.a_page]
        more = number * self.a_page < len(ads)
        following = '<a class="pageNav-jump pageNav-jump--next" href="next">Next</a>' if more else ""
        following = following if self.has_pager else ""
        return f"<html><body>{''.join(ad.html() for ad in shown)}{following}</body></html>"

    def pages(self) -> list[str]:
        """Pages asked for, without robots.txt; forgotten afterwards."""
        asked = [path.rpartition("/categories/")[2] for path in self.asked if "/categories/" in path]
        self.asked.clear()
        self.headers.clear()
        return asked

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


class Scrapes:
    """One database, one shop, and runs by hand."""

    task = "tasks.listings.scrape"

    def __init__(self, database: Any, site_server: SiteServer) -> None:
        self.sql: psycopg.Connection[dict[str, Any]] = database.connect()
        self.site_server = site_server
        self.sql.execute("delete from quota")
        self.sql.execute(
            "update upstream set base_url = %s, spacing = '0' where name = 'head_fi'",
            (site_server.url,),
        )
        self.sql.execute("update category set scraped = slug = 'full-size'")

    def run(self, **options: Any) -> dict[str, Any]:
        """A run by hand; the row of `run`, ended or not."""
        run_id = uuid.uuid4()
        self.app.tasks[self.task].apply(kwargs=options, task_id=str(run_id))
        return self.row(run_id)

    def go_on(self, run_id: Any) -> dict[str, Any]:
        """What a worker does that gets the run's message (again)."""
        self.sql.execute(
            "update batch set not_before = null, send_at = clock_timestamp() where run_id = %s and state = 'waiting'",
            (run_id,),
        )
        self.app.tasks[self.task].apply(args=(str(run_id), 0), task_id=str(uuid.uuid4()))
        return self.row(run_id)

    @property
    def app(self) -> Any:
        from workers.app import app

        app.loader.import_default_modules()
        return app

    def row(self, run_id: Any) -> dict[str, Any]:
        return self.one("select * from run where id = %s", run_id)

    def one(self, query: str, *values: Any) -> dict[str, Any]:
        row = self.sql.execute(query, values).fetchone()
        assert row is not None, query
        return row

    def all(self, query: str, *values: Any) -> list[dict[str, Any]]:
        return self.sql.execute(query, values).fetchall()

    def ad(self, number: int) -> dict[str, Any]:
        return self.one("select * from listing where external_id = %s", str(number))

    def everything(self) -> dict[str, Any]:
        """All domain rows, without when they were last seen."""
        return {
            "listing": self.all(
                "select site, external_id, title, url, price, currency, status, missed_scrapes,"
                " regions, listing_type, seller, listed_at from listing order by external_id"
            ),
            "price": self.all(
                "select l.external_id, p.price, p.currency from listing_price p"
                " join listing l on l.id = p.listing_id order by l.external_id, p.id"
            ),
            "status": self.all(
                "select l.external_id, c.status, c.before from listing_status_change c"
                " join listing l on l.id = c.listing_id order by l.external_id, c.id"
            ),
        }


@pytest.fixture
def site_server() -> Iterator[SiteServer]:
    opened = SiteServer()
    yield opened
    opened.close()


@pytest.fixture
def scrapes(
    database: Any, site_server: SiteServer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Scrapes]:
    monkeypatch.setattr("workers.upstreams.retry.INITIAL_PAUSE", 0.001)
    monkeypatch.setattr("tasks.listings.fetchers.DEFAULT_PAUSE", timedelta(0))
    driven = Scrapes(database, site_server)
    yield driven
    driven.sql.close()


@pytest.fixture
def make_listing() -> type[Ad]:
    return Ad
