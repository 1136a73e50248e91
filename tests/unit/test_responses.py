"""What an answer means; where a redirect may lead; what robots.txt says."""

from __future__ import annotations

from datetime import timedelta

import pytest

from workers.errors import Blocked, BrokenResponse, NotFound, RateLimited, Unavailable
from workers.upstreams import robots
from workers.upstreams.requests import CallOptions, Request
from workers.upstreams.responses import Response, Validators, raise_for_status

CHALLENGE = b"<html><head><title>Just a moment...</title></head></html>"


def answer(status: int, content: bytes = b"", **headers: str) -> Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response("any", status, "https://a.example/x", named, content)


@pytest.mark.parametrize("status", [200, 204, 299, 304])
def test_a_good_answer_passes(status: int) -> None:
    raise_for_status(answer(status))


@pytest.mark.parametrize(
    ("given", "error"),
    [
        (answer(404), NotFound),
        (answer(410), NotFound),
        (answer(429), RateLimited),
        (answer(503, retry_after="5"), RateLimited),
        (answer(403), Blocked),
        (answer(403, CHALLENGE), Blocked),
        (answer(503, CHALLENGE), Blocked),
        (answer(403, cf_mitigated="challenge"), Blocked),
        (answer(500), Unavailable),
        (answer(503), Unavailable),
        (answer(400), BrokenResponse),
        (answer(302), BrokenResponse),
        (answer(501), BrokenResponse),
    ],
)
def test_each_status_has_its_error(given: Response, error: type[Exception]) -> None:
    with pytest.raises(error) as caught:
        raise_for_status(given)

    assert type(caught.value) is error


def test_a_date_to_retry_after_is_read_by_the_upstreams_own_clock() -> None:
    far_off = answer(
        429, date="Wed, 01 Jan 2020 00:00:00 GMT", retry_after="Wed, 01 Jan 2020 00:00:07 GMT"
    )

    with pytest.raises(RateLimited) as caught:
        raise_for_status(far_off)

    assert caught.value.retry_after == 7


def test_text_in_an_unknown_encoding_is_still_text() -> None:
    assert Response("any", 200, "u", {}, "é".encode(), "no-such-code").text == "é"
    assert Response("any", 200, "u", {}, b"\xff", "utf-8").text == "\ufffd"


@pytest.mark.parametrize("body", [b"", b"<html>", b"{", b"[" * 100_000, b"\xff\xfe\xfd"])
def test_what_is_no_json_is_a_broken_answer(body: bytes) -> None:
    with pytest.raises(BrokenResponse, match="not JSON"):
        answer(200, body).json()


def test_validators_become_request_headers() -> None:
    assert Validators('"abc"', None).headers() == {"If-None-Match": '"abc"'}
    assert answer(200, etag='"abc"').validators == Validators('"abc"')


@pytest.mark.parametrize(
    ("here", "there"),
    [
        ("https://a.example/x", "https://a.example/y"),
        ("http://a.example/x", "https://a.example/x"),
        ("https://a.example/x", "https://www.a.example/x"),
        ("http://127.0.0.1:8000/x", "http://127.0.0.1:8000/y"),
        ("http://127.0.0.1:80/x", "https://127.0.0.1/y"),
    ],
)
def test_a_redirect_on_the_same_server_is_followed(here: str, there: str) -> None:
    assert Request("any", "GET", here).redirected(there, 302).url == there


@pytest.mark.parametrize(
    ("here", "there"),
    [
        ("https://a.example/x", "https://b.example/x"),
        ("https://a.example/x", "http://a.example/x"),
        ("https://a.example/x", "ftp://a.example/x"),
        ("https://a.example/x", "file:" + "///etc/passwd"),
        ("https://a.example/x", "https://a.example:8443/x"),
        ("http://127.0.0.1:8000/x", "http://127.0.0.1:9000/x"),
        ("https://a.example/x", "https://a.example:port/x"),
        ("https://a.example/x", "http://[bad/"),
    ],
)
def test_a_redirect_elsewhere_is_refused(here: str, there: str) -> None:
    with pytest.raises(BrokenResponse, match=r"another server|invalid address"):
        Request("any", "GET", here).redirected(there, 302)


def test_a_redirected_post_becomes_a_get_unless_told_to_stay() -> None:
    posted = Request("any", "POST", "https://a.example/x", CallOptions(body={"a": 1}))

    seen = posted.redirected("https://a.example/y", 303)
    kept = posted.redirected("https://a.example/y", 307)

    assert (seen.method, seen.options.body) == ("GET", None)
    assert (kept.method, kept.options.body) == ("POST", {"a": 1})


@pytest.mark.parametrize("status", [301, 302])
def test_a_message_is_not_lost_on_the_way_to_where_its_channel_moved(status: int) -> None:
    posted = Request("any", "POST", "https://a.example/hook", CallOptions(body={"a": 1}))

    moved = posted.redirected("/hook/", status)

    assert (moved.method, moved.url, moved.options.body) == (
        "POST",
        "https://a.example/hook/",
        {"a": 1},
    )


def test_robots_txt_is_read_for_us_by_name() -> None:
    rules = robots.parse("User-agent: watchkeeper\nDisallow: /private\nCrawl-delay: 2\n")

    assert rules.allows("https://a.example/open", "watchkeeper")
    assert not rules.allows("https://a.example/private/x", "watchkeeper")
    assert rules.delay("watchkeeper") == timedelta(seconds=2)
    assert robots.parse("").allows("https://a.example/private/x", "watchkeeper")


def test_a_robots_txt_that_begins_with_a_byte_order_mark_is_obeyed() -> None:
    body = "\ufeffUser-agent: *\nDisallow: /private\n"

    assert not robots.parse(body).allows("https://a.example/private/x", "watchkeeper")
    assert "\ufeff" not in Response("any", 200, "u", {}, body.encode(), None).text


def test_a_page_is_read_in_the_encoding_that_it_names_itself() -> None:
    page = '<html><head><meta charset="windows-1251"><title>Усилитель</title>'.encode("windows-1251")

    assert "Усилитель" in Response("any", 200, "u", {}, page, None).text


@pytest.mark.parametrize(
    ("name", "written", "text"),
    [
        ("iso-8859-1", "cp1252", "1.200 \u20ac \u2013 d\u2019occasion"),
        ("us-ascii", "cp1252", "950 \u20ac"),
        ("latin1", "cp1252", "\u201e950 \u20ac\u201c"),
        ("ISO-8859-9", "cp1254", "15.000 \u20ac \u015f"),
        ("gb2312", "gb18030", "\u4ef7\u683c 6500\u5143 \u9555"),
        ("Shift_JIS", "cp932", "\u2460 95,000\u5186 \u9ad9"),
        ("x-sjis", "cp932", "95,000\u5186"),
        ("euc-kr", "cp949", "450,000\uc6d0 \ub620"),
        (None, "utf-8-sig", "950 \u20ac"),
        ("iso-8859-1", "utf-8-sig", "950 \u20ac"),
        (None, "utf-16", "950 \u20ac"),
    ],
)
def test_a_page_is_read_as_browsers_read_it(name: str | None, written: str, text: str) -> None:
    assert Response("any", 200, "u", {}, text.encode(written), name).text == text
    if name and written != "utf-8-sig":
        page = f"<meta charset={name}>".encode() + text.encode(written)
        assert Response("any", 200, "u", {}, page, None).text.endswith(text)


def test_a_long_page_in_an_encoding_of_no_page_costs_nothing() -> None:
    page = b"a" * 1_000_000 + b"-" + b"a9" * 1_000_000

    for name in ("punycode", "idna", "utf-7", "unicode_escape"):
        assert Response("any", 200, "u", {}, page, name).text == page.decode()


@pytest.mark.parametrize("name", ["idna", "punycode", "undefined", "no-such-code", "utf-16"])
def test_an_encoding_that_fits_nothing_is_no_error(name: str) -> None:
    assert isinstance(Response("any", 200, "u", {}, b"<p>\xff\xfe</p>", name).text, str)
    page = f"<meta charset={name}>".encode() + b"\xff"
    assert "meta" in Response("any", 200, "u", {}, page, None).text or name == "utf-16"
