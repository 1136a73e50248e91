"""Sites as rows: what the database refuses, another site by SQL alone, and the commands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner, Result
from psycopg.types.json import Jsonb

from tasks.listings import selectors
from tasks.listings.commands import listings as command
from workers.upstreams import upstreams

FIXTURES = Path(__file__).parents[1] / "fixtures" / "headfi"


def typed(*words: str) -> Result:
    return CliRunner().invoke(command, list(words))


def test_head_fi_has_thirteen_categories_and_its_ten_leaves_are_scraped(connection: Any) -> None:
    rows = connection.execute(
        "select c.external_id, c.scraped, exists (select from category k where k.parent_id = c.id)"
        " as parent from category c where site = 'head_fi'"
    ).fetchall()
    assert len(rows) == 13
    assert [row["scraped"] for row in rows] == [not row["parent"] for row in rows]
    assert sum(row["scraped"] for row in rows) == 10


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        ({"card": "a"}, 'selector "title" is missing'),
        ({"card": "a", "title": "b", "colour": "c"}, 'there is no selector "colour"'),
        ({"card": "a[", "title": "b"}, 'selector "card" = "a[" is not CSS'),
        ({"card": "a", "title": 3}, 'selector "title" = 3 is not CSS'),
        ({"card": "div > > p", "title": "b"}, 'selector "card" = "div > > p" is not CSS'),
        ([], "selectors must be an object"),
    ],
)
def test_selectors_that_cannot_be_used_are_refused_when_saved(
    connection: Any, found: Any, sentence: str
) -> None:
    with pytest.raises(psycopg.errors.CheckViolation) as refused:
        connection.execute("update site set selectors = %s", (Jsonb(found),))
    assert refused.value.diag.message_primary is not None
    assert sentence in refused.value.diag.message_primary
    assert refused.value.diag.message_hint


@pytest.mark.parametrize(
    "change",
    [
        {"id_pattern": "("},
        {"id_pattern": "abc"},
        {"id_pattern": r"(?:\d+)"},
        {"id_pattern": r"\(\d+\)"},
        {"id_pattern": r"[(]\d+[)]"},
        {"page_path": "page"},
        {"page_path": "{page}{x}"},
        {"currency": "dollars"},
        {"expire_after": 0},
    ],
)
def test_a_site_that_cannot_be_scraped_is_refused_when_saved(
    connection: Any, change: dict[str, Any]
) -> None:
    (name,) = change
    with pytest.raises(psycopg.Error):
        connection.execute(f"update site set {name} = %s", (change[name],))


@pytest.mark.parametrize(
    "css",
    [
        "div.ad > h3",
        "a[href]",
        "ul li:nth-child(2) a.b",
        "[data-id]",
        "a, b",
        "a:not(.b)",
        ":is(a, b)",
        "a:not(.b, .c)",
        "a:not(:is(.b, .c))",
        "li:nth-child(2n+1 of .ad)",
        "div:has(> a)",
        '[x="a,b"]',
        'a[href*="@x"]',
        "a[x='b]' i]",
        r".md\:flex",
        "p::text",
        "p:not(",
        "p)",
        "p:is()",
        "a,,b",
        "a >",
        ".1a",
        "[x=1a]",
        "a[",
        "..",
        "> a",
    ],
)
def test_the_database_and_the_parser_agree_on_css(connection: Any, css: str) -> None:
    fits = connection.execute("select selector_fits(%s) as fits", (css,)).fetchone()["fits"]
    try:
        selectors.parse({"card": css, "title": "b"})
    except ValueError:
        assert not fits
    else:
        assert fits


def test_the_database_knows_the_same_selectors_as_the_code(connection: Any) -> None:
    every = dict.fromkeys(selectors.NAMES, "a")
    connection.execute("update site set selectors = %s", (Jsonb(every),))


OTHER = """<ul><li class="ad" data-id="a-7"><h3>Krups mill</h3><b class="cost">1.200 €</b>
<i class="who">Ute M.</i><time data-at="1767225600">x</time><a href="/ads/krups?x=1">go</a></li></ul>
<a rel="next" href="?p=2">more</a>"""

FLEA = {
    "card": "li.ad",
    "title": "h3",
    "id": "li.ad@data-id",
    "price": ".cost",
    "seller": ".who",
    "listed": "time@data-at",
    "next": "a[rel=next]",
}


def test_another_site_is_added_by_sql_alone(scrapes: Any) -> None:
    scrapes.site_server.reply = lambda path: (200, {}, OTHER) if path.startswith("/ads/") else None
    scrapes.sql.execute(
        "insert into upstream (name, base_url) values ('flea', %s)", (scrapes.site_server.url,)
    )
    scrapes.sql.execute(
        "insert into site (name, upstream, title, page_path, currency, selectors) values"
        " ('flea', 'flea', 'Flea market', '?p={page}', 'EUR', %s)",
        (Jsonb(FLEA),),
    )
    scrapes.sql.execute(
        "insert into category (site, external_id, slug, title, path)"
        " values ('flea', '1', 'kitchen', 'Kitchen', '/ads/')"
    )
    preview = typed("preview", "flea", "--json")
    assert preview.exit_code == 0, preview.output
    assert "page 2: 1 ad read, 0 of them not on page 1" in preview.stderr
    assert "check page_path" in preview.stderr
    assert json.loads(preview.stdout)[0]["external_id"] == "a-7"
    run = scrapes.run(site="flea", max_pages=1, initial_scrape_days=365)
    assert run["state"] == "succeeded", run["error"]
    ad = scrapes.ad("a-7")
    assert (ad["title"], ad["price"], ad["currency"], ad["seller"]) == (
        "Krups mill",
        1200,
        "EUR",
        "Ute M.",
    )
    assert ad["listed_at"].isoformat() == "2026-01-01T00:00:00+00:00"
    assert ad["url"] == f"{scrapes.site_server.url}/ads/krups?x=1"


def test_people_list_and_look_at_ads(scrapes: Any, make_listing: Any) -> None:
    ad = make_listing(1, title="Focal 100%", price="900 USD")
    scrapes.site_server.ads["full-size"] = [ad, make_listing(2, title="Stax", price="100 EUR")]
    scrapes.run()
    ad.price = "800 USD"
    scrapes.run()
    rows = json.loads(typed("list", "--json", "--title", "100%").stdout)
    assert [(row["id"], row["price"], row["first_price"]) for row in rows] == [
        ("1", "800.00", "900.00")
    ]
    assert len(json.loads(typed("list", "--json", "--max-price", "100").stdout)) == 1
    (shown,) = json.loads(typed("show", "1", "--json").stdout)
    assert [row["value"] for row in shown["history"] if row["what"] == "price"] == [
        "900.00 USD",
        "800.00 USD",
    ]
    assert "Focal 100%" in typed("show", "1").stdout
    missing = typed("show", "99")
    assert (missing.exit_code, "no ad with number 99" in missing.stderr) == (3, True)
    (site,) = json.loads(typed("sites", "--json").stdout)
    assert (site["name"], site["ads"], site["active_ads"]) == ("head_fi", 2, 2)
    assert len(json.loads(typed("categories", "--json").stdout)) == 13


def test_a_page_on_disk_is_previewed_and_a_changed_layout_is_said(scrapes: Any) -> None:
    good = typed("preview", "head_fi", "--file", str(FIXTURES / "synthetic_page_1.html"))
    assert good.exit_code == 0, good.output
    assert "7 ads read, 0 not readable" in good.stderr
    changed = typed("preview", "head_fi", "--file", str(FIXTURES / "synthetic_layout_changed.html"))
    assert changed.exit_code == 1
    assert "no ad could be read" in changed.stderr
    unknown = typed("preview", "nowhere")
    assert unknown.exit_code == 1
    assert 'no site named "nowhere"' in unknown.stderr


def test_a_page_on_disk_is_read_in_the_encoding_that_it_names(scrapes: Any, tmp_path: Path) -> None:
    html = (FIXTURES / "synthetic_page_1.html").read_text().replace("HD", "Усилитель")
    named = f'<meta charset="windows-1251">{html}'
    (tmp_path / "page.html").write_bytes(named.encode("windows-1251", "xmlcharrefreplace"))

    shown = typed("preview", "head_fi", "--file", str(tmp_path / "page.html"))

    assert "Усилитель" in shown.stdout


def test_a_site_is_scraped_as_soon_as_its_upstream_is_added(scrapes: Any) -> None:
    upstreams.known.get()
    scrapes.sql.execute(
        "insert into upstream (name, base_url) values ('new', 'https://ads.example.org')"
    )

    assert upstreams.described("new").base_url == "https://ads.example.org"


def test_a_preview_reads_the_second_page_too_and_says_what_is_wrong_with_it(
    scrapes: Any, make_listing: Any
) -> None:
    scrapes.site_server.ads["full-size"] = [make_listing(number) for number in range(1, 6)]
    assert "page 2: 2 ads read, 2 of them not on page 1" in typed("preview", "head_fi").stderr
    scrapes.site_server.has_pager = False
    assert "page 1 has no link to it: check the selector next" in typed("preview", "head_fi").stderr
    scrapes.site_server.reply = lambda path: (404, {}, "") if path.endswith("page-2") else None
    shown = typed("preview", "head_fi")
    assert (shown.exit_code, "page 2: head_fi: answered 404" in shown.stderr) == (0, True)


def test_a_preview_of_a_challenge_says_that_it_is_one(scrapes: Any) -> None:
    scrapes.site_server.reply = lambda _: (200, {}, "<title>Just a moment...</title>")
    shown = typed("preview", "head_fi")
    assert shown.exit_code == 1
    assert "answered 200 with a challenge page" in shown.stderr
