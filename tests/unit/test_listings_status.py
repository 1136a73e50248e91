"""What an ad says of its end: in its title, its label, its price, its class names (pure)."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tasks.listings import cards, head_fi, selectors, text_fields

SELECTORS = selectors.parse(head_fi.SELECTORS)
BASE = "https://www.head-fi.org/classifieds/"


def card(inside: str = "", *, title: str = "x", names: str = "hfcUserListing") -> cards.Card:
    html = f'<a class="{names}" href="/classifieds/x.1/"><p class="hfcListingTitle">{title}</p>{inside}</a>'
    (found,) = cards.parse(
        html, BASE, selectors.parse({**head_fi.SELECTORS, "card": "a"}), r"(\d+)/?$"
    ).cards
    return found


def price(text: str, label: str = "For Sale") -> str:
    return f'<div class="hfcPrice"><span class="label">{label}</span> {text}</div>'


@pytest.mark.parametrize(
    ("title", "status"),
    [
        ("ZMF Verite (Closed)", "active"),
        ("Aeon 2 - Closed", "active"),
        ("Closed: Aeon 2", "closed"),
        ("[Closed] Aeon 2", "closed"),
        ("SOLD Focal Clear", "sold"),
        ("Focal Clear SOLD", "sold"),
        ("SOLD- Focal", "sold"),
        ("SOLD-Focal", "sold"),
        ("TRADED Focal", "traded"),
        ("{SOLD} X", "sold"),
        ("Focal (sold to Bob)", "sold"),
        ("Sold to Bob: Focal", "sold"),
        ("Focal - sold to Bob", "sold"),
        ("SOLD AS A PAIR: two amps", "active"),
        ("SOLD-AS-IS amp", "active"),
        ("Focal Clear NOT SOLD", "active"),
        ("UNSOLD Focal", "active"),
        ("SOLDIER edition", "active"),
        ("sold out tour cable", "active"),
        ("Will be SOLD", "active"),
        ("Focal (sold out)", "active"),
        ("Focal (sold total: 3)", "active"),
        ("Focal (sold on consignment)", "active"),
        ("Focal (sold on eBay)", "sold"),
        ("Focal [Sold elsewhere]", "sold"),
        ("Sold locally: Focal", "sold"),
        ("Sold/Traded: Focal", "sold"),
        ("Focal [Traded / Sold]", "traded"),
        ("Focal (sold/traded in pairs)", "active"),
    ],
)
def test_a_title_that_shouts_has_ended_and_closed_backs_have_not(title: str, status: str) -> None:
    assert text_fields.title_status(title)[0] == status


@pytest.mark.parametrize("mark", ["\u3010%s\u3011", "\u00ab%s\u00bb", "~%s~", "<%s>", "==%s=="])
@pytest.mark.parametrize("word", ["Sold", "SOLD"])
def test_a_status_in_other_brackets_is_one_and_no_part_of_the_title(mark: str, word: str) -> None:
    assert text_fields.title_status(f"{mark % word} Focal Clear") == ("sold", "Focal Clear")
    assert text_fields.title_status(f"Focal Clear {mark % word}")[0] == "sold"


@pytest.mark.parametrize(
    ("label", "status"),
    [
        ("Sold/Traded", "sold"),
        ("For Sale - Sold", "sold"),
        ("Not sold", "active"),
        ("For Sale/Trade", "active"),
        ("Closed backs and other headphones for sale", "active"),
    ],
)
def test_a_label_with_several_words_says_its_status(label: str, status: str) -> None:
    assert card(price("950 USD", label)).status == status


@pytest.mark.parametrize(
    ("names", "status"),
    [
        ("hfcUserListing sold", "sold"),
        ("hfcUserListing hfcUserListing--sold", "sold"),
        ("hfcUserListing is-closed", "closed"),
        ("hfcUserListing adTraded", "traded"),
        ("expired", "expired"),
        ("hfcUserListing inactive", "active"),
        ("not-sold", "active"),
        ("closed-back", "active"),
        ("unsold", "active"),
    ],
)
def test_a_class_name_that_ends_in_a_status_says_it(names: str, status: str) -> None:
    assert card(names=names).status == status


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("SOLD", "sold"),
        ("950 USD SOLD", "sold"),
        ("950 USD, sold as a pair", "active"),
        ("950 USD, not sold separately", "active"),
        ("950 USD", "active"),
    ],
)
def test_sold_beside_a_price_is_sold(text: str, status: str) -> None:
    assert card(price(text)).status == status


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("<del>950</del> 850 USD", "850"),
        ("<s>950 USD</s> 850", "850"),
        ("<s>950 <del>900 <strike>1</strike></del></s><s>2</s> 850 USD", "850"),
        ("1,299<sup>99</sup> USD", "1299.99"),
        ("1,299.<sup>99</sup> USD", "1299.99"),
    ],
)
def test_what_is_struck_through_is_no_price_and_raised_digits_are_cents(text: str, amount: str) -> None:
    assert card(price(text)).price == Decimal(amount)


def test_a_price_that_is_all_struck_through_is_none() -> None:
    html = '<a href="/x.1/"><b>x</b><s class="cost">950 USD</s></a>'
    found = selectors.parse({"card": "a", "title": "b", "price": ".cost"})
    assert cards.parse(html, BASE, found, head_fi.ID_PATTERN).cards[0].price is None


@pytest.mark.parametrize("piece", ["(", "( ", "(sold to ", " - sold to ", "SOLD", "sold!", "[*"])
def test_a_title_without_end_is_read_no_further_than_it_is_kept(piece: str) -> None:
    long = piece * 200_000
    found = card(title=long)
    assert found.title == " ".join(long.split())[: cards.MAX_TITLE]
    assert found.status == text_fields.title_status(found.title)[0]


@pytest.mark.parametrize(
    ("text", "seller"),
    [
        ("Listed by: bob ( 42 )", ("bob", 42)),
        ("Listed by: bob (" + "9" * 6000 + ")", ("bob", None)),
        ("Listed by: bob (\u22123)", ("bob", -3)),
    ],
)
def test_a_reputation_is_read_with_spaces_and_without_end(
    text: str, seller: tuple[str, int | None]
) -> None:
    assert text_fields.parse_seller(text) == seller


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("Condition", "Negotiability", "Shipping"), ("a", "b", "c")),
        (("Item condition:", "Price negotiability", "Ships to"), ("a", "b", "c")),
    ],
)
def test_fields_are_known_by_a_part_of_their_name(
    names: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    pairs = zip(names, "abc", strict=True)
    inside = "".join(f"<dl><dt>{name}</dt><dd>{text}</dd></dl>" for name, text in pairs)
    found = card(f'<div class="hfcCustomFields">{inside}</div>')
    assert (found.condition, found.negotiability, found.ships_to) == expected


def test_a_fields_own_name_says_more_than_a_part_of_another() -> None:
    cost = "<dl><dt>Shipping cost</dt><dd>5 USD</dd></dl>"
    region = "<dl><dt>Ships to</dt><dd>CONUS</dd></dl>"
    for pairs in (cost + region, region + cost):
        assert card(f'<div class="hfcCustomFields">{pairs}</div>').ships_to == "CONUS"


def test_links_are_joined_to_the_address_that_a_page_names_as_its_base() -> None:
    html = (
        '<base href="/shop/"><a class="hfcUserListing" href="x.1/"><p class="hfcListingTitle">x</p></a>'
    )
    (found,) = cards.parse(html, BASE, SELECTORS, head_fi.ID_PATTERN).cards
    assert found.url == "https://www.head-fi.org/shop/x.1/"


def test_a_date_without_the_attribute_is_read_from_its_text() -> None:
    listed = '<div class="hfcListingDate"><time>2026-01-10T09:30:00Z</time></div>'
    assert card(listed).listed_at is not None


def test_an_at_sign_inside_css_belongs_to_the_css() -> None:
    found = selectors.parse({"card": 'a[href*="@x"]', "title": "b@ data-title "})
    assert found["card"] == selectors.Selector('a[href*="@x"]', None)
    assert found["title"] == selectors.Selector("b", "data-title")
