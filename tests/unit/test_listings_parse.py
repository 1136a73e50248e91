"""List pages, prices, words and selectors of sites with ads: all pure."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from urllib.parse import urljoin

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.listings import amounts, cards, currencies, head_fi, money, selectors, text_fields
from tasks.listings.money import Money

FIXTURES = Path(__file__).parents[1] / "fixtures" / "headfi"
SELECTORS = selectors.parse(head_fi.SELECTORS)
BASE = "https://www.head-fi.org/classifieds/"


def page(name: str) -> cards.Page:
    html = (FIXTURES / f"synthetic_{name}.html").read_text()
    return cards.parse(html, BASE, SELECTORS, head_fi.ID_PATTERN)


def test_a_list_page_is_read_whole() -> None:
    found = page("page_1")
    assert [card.external_id for card in found.cards] == [str(90001 + n) for n in range(7)]
    assert [card.status for card in found.cards] == [
        "active", "active", "active", "sold", "active", "sold", "traded",
    ]  # fmt: skip
    assert found.next_url == "https://www.head-fi.org/classifieds/page-2"
    first = found.cards[0]
    assert first == cards.Card(
        external_id="90001",
        title="Sennheiser HD800S (mint)",
        url="https://www.head-fi.org/classifieds/sennheiser-hd800s--mint.90001/",
        image_url="https://www.head-fi.org/data/x.jpg",
        listing_type="For Sale",
        price=Decimal(950),
        currency="USD",
        condition="Excellent/Like new",
        negotiability="Or best offer",
        ships_to="CONUS, Canada",
        seller="AudioPhile99",
        seller_reputation=42,
        status="active",
        listed_at=datetime(2026, 1, 10, 14, 30, tzinfo=UTC),
    )
    assert first.regions == ("CONUS", "Canada")
    assert page("page_2").next_url is None


@pytest.mark.parametrize("name", ["challenge_403", "layout_changed", "empty", "detail_sold"])
def test_a_page_without_cards_has_none(name: str) -> None:
    assert page(name).cards == []


@pytest.mark.parametrize(
    ("text", "amount", "currency"),
    [
        ("1,299.50 USD", "1299.50", "USD"),
        ("1.299,50 €", "1299.50", "EUR"),
        ("1 200,50 EUR", "1200.50", "EUR"),
        ("CHF 1'200", "1200", "CHF"),
        ("$500 CAD", "500", "CAD"),
        ("CA$500", "500", "CAD"),
        ("$1,200 obo", "1200", "USD"),
        ("2.5k USD", "2500", "USD"),
        ("950usd", "950", "USD"),
        ("2 x 100 USD", "100", "USD"),
        ("300-350 USD", "300", "USD"),
        ("asking 300 shipped", "300", None),
        ("95,000", "95000", None),
    ],
)
def test_a_price_is_read_as_people_mean_it(text: str, amount: str, currency: str | None) -> None:
    assert money.parse(text) == Money(Decimal(amount), currency)


@pytest.mark.parametrize("text", ["", "offers", "0 USD", "$0.00", "HD600", "9" * 40 + " USD"])
def test_what_is_no_price_is_none(text: str) -> None:
    assert money.parse(text) is None


@given(st.decimals("0.01", "99999999", places=2), st.sampled_from(currencies.CODES))
def test_a_price_survives_the_usual_ways_of_writing_it(amount: Decimal, code: str) -> None:
    dotted = f"{amount:,.2f}"
    swapped = dotted.translate(str.maketrans(",.", ".,"))
    for text in (f"{dotted} {code}", f"{swapped} {code}", f"{code} {amount:.2f}", f"x {dotted}{code}"):
        assert money.parse(text) == Money(amount, code), text


@given(st.text(max_size=400) | st.text("0123456789.,' k$€USD-", max_size=60))
def test_any_text_is_a_price_that_fits_its_column_or_none(text: str) -> None:
    found = money.parse(text)
    if found is not None:
        assert 0 < found.amount < Decimal(10) ** 12
        assert found.amount == found.amount.quantize(amounts.CENT)
        assert found.currency is None or found.currency in currencies.CODES


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("Sold - Focal Clear", "sold"),
        ("** SOLD ** Stax", "sold"),
        ("Focal Clear - SOLD!", "sold"),
        ("Focal Clear [traded]", "traded"),
        ("Withdrawn: Stax", "closed"),
        ("Closed-back headphones", "active"),
        ("Headphones, closed", "active"),
        ("Chord Hugo 2 trade for TT2", "active"),
    ],
)
def test_a_title_says_whether_its_ad_has_ended(text: str, status: str) -> None:
    assert text_fields.title_status(text)[0] == status


@pytest.mark.parametrize(
    ("text", "seller"),
    [
        ("Listed by: audio-fan (-3)", ("audio-fan", -3)),
        ("Listed by: x.y_z (1,128)", ("x.y_z", 1128)),
        ("Ann (the one) (4)", ("Ann (the one)", 4)),
        ("", (None, None)),
        (None, (None, None)),
    ],
)
def test_a_sellers_name_and_reputation_are_told_apart(
    text: str | None, seller: tuple[str | None, int | None]
) -> None:
    assert text_fields.parse_seller(text) == seller


@given(st.text())
def test_no_text_breaks_the_reading_of_words(text: str) -> None:
    text_fields.parse_seller(text)
    text_fields.parse_number(text)
    text_fields.title_status(text)
    assert len(set(text_fields.parse_regions(text))) == len(text_fields.parse_regions(text))
    found = text_fields.parse_time(text)
    assert found is None or found.tzinfo is UTC


@pytest.mark.parametrize(
    ("text", "when"),
    [
        ("2026-01-10T09:30:00-0500", datetime(2026, 1, 10, 14, 30, tzinfo=UTC)),
        ("2026-01-10T09:30:00", datetime(2026, 1, 10, 9, 30, tzinfo=UTC)),
        ("1767225600", datetime(2026, 1, 1, tzinfo=UTC)),
        ("1767225600000", datetime(2026, 1, 1, tzinfo=UTC)),
        ("yesterday", None),
        ("9999-12-31T23:59:59-12:00", None),
    ],
)
def test_a_time_is_an_instant_in_utc(text: str, when: datetime | None) -> None:
    assert text_fields.parse_time(text) == when


@pytest.mark.parametrize(
    "href",
    ["javascript:alert(1)", "data:text/html,x.1/", "http://[x.1/", "/classifieds/x.1/" + "a" * 2000],
)
def test_an_address_that_is_none_is_no_card(href: str) -> None:
    html = f'<a class="hfcUserListing" href="{href}"><p class="hfcListingTitle">x</p></a>'
    found = cards.parse(html, BASE, SELECTORS, head_fi.ID_PATTERN)
    assert (found.cards, found.unreadable) == ([], 1)


def test_a_card_that_comes_twice_on_a_page_is_one_ad() -> None:
    html = '<a class="hfcUserListing" href="/classifieds/x.1/"><p class="hfcListingTitle">x</p></a>'
    assert len(cards.parse(html * 2, BASE, SELECTORS, head_fi.ID_PATTERN).cards) == 1


@pytest.mark.parametrize(
    ("stored", "sentence"),
    [
        ({"card": "a"}, 'selector "title" is missing'),
        ({"card": "a", "title": "b["}, "selector \"title\" = 'b[' is not CSS"),
        ({"card": "a", "title": "b", "x": "c"}, 'there is no selector "x"'),
    ],
)
def test_selectors_that_cannot_be_used_say_why(stored: dict[str, str], sentence: str) -> None:
    with pytest.raises(ValueError, match="selector") as refused:
        selectors.parse(stored)
    assert sentence in str(refused.value)


@given(st.text("/.ab%-", max_size=12))
def test_a_link_is_joined_as_the_standard_says(href: str) -> None:
    html = f'<a class="hfcUserListing" href="/{href}.1/"><p class="hfcListingTitle">x</p></a>'
    base = "https://www.head-fi.org/classifieds/page-2"
    found = cards.parse(html, base, SELECTORS, head_fi.ID_PATTERN)
    if found.cards:
        assert found.cards[0].url == urljoin(base, f"/{href}.1/")
