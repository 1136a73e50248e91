"""Many notices in one message: lines that say what each is of."""

from __future__ import annotations

from tasks.watches.gathering import gathered
from tasks.watches.messages import MAX_DESCRIPTION, Note


def match(number: int, title: str = "HD 650", url: str = "https://shop.example/1") -> Note:
    fields = (("Price", "220 USD"), ("Seller", "ann"))
    return Note(title, "New match for: hd650", f"match {number}", "hd650", url, fields)


def test_a_line_has_title_price_rule_and_address() -> None:
    note, number = gathered([match(1), Note("prices failed", "no answer", "incident 1")])

    assert number == 2
    assert note.title == "2 notices for: hd650"
    assert note.text == (
        "• HD 650 — 220 USD — New match for: hd650 — https://shop.example/1\n• prices failed\nno answer"
    )


def test_it_takes_what_it_has_room_for_and_at_least_one() -> None:
    note, number = gathered([match(n, "x" * 1000) for n in range(100)])
    assert number == 12
    assert len(note.text) <= MAX_DESCRIPTION
    assert gathered([Note("digest", "y" * 9000), match(1)])[1] == 1


def test_an_address_is_left_out_rather_than_cut_and_only_a_browsers() -> None:
    long, odd = match(1, url="https://x.example/" + "a" * 400), match(2, url="javascript:alert(1)")

    assert "example" not in gathered([long, odd])[0].text
    assert "javascript" not in gathered([long, odd])[0].text


def test_the_key_is_that_of_the_first() -> None:
    assert gathered([match(7), match(8)])[0].key == "gathered match 7"
