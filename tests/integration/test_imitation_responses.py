"""What the imitations answer, as processes: shapes, words and traps of the real ones."""

from __future__ import annotations

import contextlib
import json
import re
import smtplib
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime
from email.message import EmailMessage
from mailbox import mbox
from pathlib import Path
from typing import Any

import pytest

from sandbox.upstreams.alpha_vantage import KEY, PREMIUM_KEY
from tasks.discovery.sources import dexscreener
from tasks.listings import cards, head_fi, selectors
from tasks.prices.sources import alpha_vantage, stooq

ROOT = Path(__file__).parents[2]
Start = Callable[..., Any]


def ask(url: str, body: Any = None, **headers: str) -> tuple[int, Any, str]:
    data = None if body is None else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=20) as answer:
            return answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as answer:
        with answer:
            return answer.code, answer.headers, answer.read().decode()


@pytest.fixture
def quotes(imitation: Start) -> Callable[..., Any]:
    """``quotes("--limit", "1/1")(symbol="AAPL")`` asks an imitation of Alpha Vantage."""

    def start(*options: str) -> Callable[..., str]:
        server = imitation("alpha_vantage", *options)

        def asking(function: str = "GLOBAL_QUOTE", apikey: str = KEY, **params: str) -> str:
            rest = "".join(f"&{name}={value}" for name, value in params.items())
            return ask(f"{server.url}/query?function={function}&apikey={apikey}{rest}")[2]

        return asking

    return start


def test_alpha_vantage_refuses_in_its_own_words(quotes: Any) -> None:
    said = json.loads((ROOT / "tests/fixtures/alpha_vantage/errors.json").read_text())
    asking = quotes()

    def answer(**params: str) -> Any:
        return json.loads(asking(**params))

    assert answer(symbol="NOSUCH") == said["unknown_symbol"]
    assert answer(apikey="wrong") == said["bad_key"]
    assert answer(apikey="demo") == said["demo_key"]
    assert answer(function="TIME_SERIES_DAILY", symbol="NOSUCH") == said["bad_call"]
    assert answer(function="TIME_SERIES_DAILY_ADJUSTED", symbol="IBM") == said["premium_endpoint"]
    full = {"function": "TIME_SERIES_DAILY", "symbol": "IBM", "outputsize": "full"}
    assert answer(**full) == said["premium_outputsize"]
    assert len(answer(apikey=PREMIUM_KEY, **full)["Time Series (Daily)"]) == 400


@pytest.mark.parametrize(
    ("limit", "words", "echo"),
    [("1/1", "burst", None), ("1/60", "note_5_per_min", None), ("1/86400", "daily", KEY)],
)
def test_alpha_vantage_names_the_limit_that_was_broken(
    quotes: Any, limit: str, words: str, echo: str | None
) -> None:
    said = json.loads((ROOT / "tests/fixtures/alpha_vantage/errors.json").read_text())[words]
    asking = quotes("--limit", limit)
    asking(symbol="AAPL")

    answer = asking(symbol="AAPL")

    assert json.loads(answer.replace(echo or "no such key", "X" * 16)) == said


def test_recorded_prices_end_on_the_latest_weekday_that_is_over(quotes: Any) -> None:
    asking = quotes()

    bars = alpha_vantage.parse_bars(json.loads(asking("TIME_SERIES_DAILY", symbol="AAPL")), "AAPL")
    price = alpha_vantage.parse_price(json.loads(asking(symbol="AAPL")), "AAPL")

    assert len(bars) == 100
    assert float(bars[-1].close) == float(price.price) == 430.47
    assert all(bar.date.weekday() < 5 for bar in bars)
    assert 0 <= (datetime.now(UTC).date() - bars[-1].date).days <= 4


def test_stooq_answers_tables_and_words(imitation: Start) -> None:
    server = imitation("stooq", "--limit", "3/60")
    url = f"{server.url}/q/d/l/?i=d&s="

    bars = stooq.parse(ask(url + "brk-b.us")[2], "BRK.B")

    assert len(bars) == 400
    assert ask(url + "nosuch.us")[2] == "No data"
    assert ask(url + "aapl.us&d1=20991231")[2] == "No data"
    assert ask(url + "aapl.us")[2] == "Exceeded the daily hits limit"


def test_dexscreener_cuts_to_thirty_rows_and_gives_the_rest_one_by_one(imitation: Start) -> None:
    server = imitation("dexscreener")
    named = [
        one
        for feed, path in dexscreener.FEEDS.items()
        for one in dexscreener.parse_feed(json.loads(ask(server.url + path)[2]), feed)
    ]
    solana = list(dict.fromkeys(one.address for one in named if one.chain == "solana"))[:30]

    together = json.loads(ask(f"{server.url}/tokens/v1/solana/{','.join(solana)}")[2])
    alone = [json.loads(ask(f"{server.url}/token-pairs/v1/solana/{one}")[2]) for one in solana]

    assert len({one.chain for one in named}) > 1
    assert len(together) == 30
    assert sum(len(rows) for rows in alone) > 30
    assert {len(rows) > 0 for rows in alone} == {True}


def test_dexscreener_limits_feeds_and_pairs_apart(imitation: Start) -> None:
    server = imitation("dexscreener", "--limit", "1/60/feeds", "--limit", "2/60/pairs")
    feed, pairs = f"{server.url}/token-boosts/top/v1", f"{server.url}/latest/dex/search?q=1"

    statuses = [ask(url)[0] for url in (feed, pairs, pairs, feed, pairs)]

    assert statuses == [200, 200, 200, 429, 429]
    assert 55 < int(ask(feed)[1]["Retry-After"]) <= 60
    assert server.get("/_violations")["violations"] == 3


def test_trades_belong_to_the_pools_that_dexscreener_shows(imitation: Start) -> None:
    shown, traded = imitation("dexscreener"), imitation("geckoterminal")
    pair = json.loads(ask(f"{shown.url}/latest/dex/search?q=token")[2])["pairs"][-1]
    network = {"ethereum": "eth"}.get(pair["chainId"], pair["chainId"])
    url = f"{traded.url}/api/v2/networks/{network}/pools/{pair['pairAddress']}/trades"

    # Some pools have a trade every two hours only; young tokens are known for five.
    traded.control(advance=18_000)
    rows = json.loads(ask(url)[2])["data"]

    assert 0 < len(rows) <= 300
    tokens = {pair["baseToken"]["address"], pair["quoteToken"]["address"]}
    for row in rows:
        assert {row["attributes"][f"{side}_token_address"] for side in ("from", "to")} == tokens
        assert float(row["attributes"]["volume_in_usd"]) >= 1
    assert ask(url.replace(f"/{network}/", "/elsewhere/"))[0] == 404


def test_every_ad_of_the_site_can_be_read_and_the_site_moves(imitation: Start) -> None:
    server = imitation("head_fi")
    path = "/classifieds/categories/full-size.2/"

    def read() -> cards.Page:
        return cards.parse(
            ask(server.url + path)[2],
            server.url + path,
            selectors.parse(head_fi.SELECTORS),
            head_fi.ID_PATTERN,
        )

    before = read()
    server.control(advance=120)
    after = read()

    assert (len(before.cards), before.unreadable) == (20, 0)
    assert before.next_url == f"{server.url}{path}page-2"
    assert {one.external_id for one in after.cards} - {one.external_id for one in before.cards}
    assert re.search(r"<h1[^>]*>", ask(before.cards[0].url)[2])
    assert ask(f"{server.url}/classifieds/{before.cards[0].external_id}")[0] == 200
    assert ask(f"{server.url}/classifieds/nothing.1/")[0] == 404


def test_a_page_that_did_not_change_is_not_sent_again(imitation: Start) -> None:
    server = imitation("head_fi")
    url = f"{server.url}/classifieds/categories/media-for-sale-trade.13/page-99"
    etag = ask(url)[1]["ETag"]

    assert ask(url, **{"If-None-Match": etag})[0] == 304
    assert ask(url, **{"If-None-Match": '"another"'})[0] == 200
    assert ask(url, **{"If-Modified-Since": "Fri, 01 Jan 2100 00:00:00 GMT"})[0] == 304


def test_discord_takes_messages_and_refuses_as_discord_does(imitation: Start) -> None:
    server = imitation("discord", "--limit", "3/60")
    hook = f"{server.url}/api/webhooks/12/token"

    assert ask(hook, {"content": "hello"})[::2] == (204, "")
    assert ask(hook, {"content": ""})[0] == 400
    status, _, body = ask(f"{server.url}/api/webhooks/0/token", {"content": "hello"})
    assert (status, json.loads(body)["code"]) == (404, 10015)
    status, headers, body = ask(hook, {"content": "one too many"})
    assert status == 429
    assert 50 < json.loads(body)["retry_after"] <= int(headers["Retry-After"]) <= 60
    assert [one["message"]["content"] for one in server.get("/_messages")] == ["hello"]


def test_a_mail_is_in_the_mailbox_as_it_was_sent(mail: tuple[int, str, Path]) -> None:
    port, control, box = mail
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = "Größe", "a@example.org", "b@example.org"
    message.set_content("first\n.\n..two dots\nFrom the start\n")

    with smtplib.SMTP("127.0.0.1", port) as server:
        server.send_message(message)
        with pytest.raises(smtplib.SMTPRecipientsRefused, match="no such mailbox"):
            server.send_message(message, to_addrs=["unknown@example.org"])
        ask(f"{control}/_control", {"refuse": 60})
        with pytest.raises(smtplib.SMTPDataError, match="try again later"):
            server.send_message(message)

    with contextlib.closing(mbox(box)) as file:
        (kept,) = file
    assert "Größe" not in kept["Subject"]  # as it was sent: encoded
    text = kept.get_payload().replace("\r\n", "\n")
    assert text.replace(">From", "From") == "first\n.\n..two dots\nFrom the start\n"
    assert [one["to"] for one in json.loads(ask(f"{control}/_messages")[2])] == [["b@example.org"]]
