"""Notices that are too long together, or of which one is refused: the others arrive all the same."""

from __future__ import annotations

import json
from typing import Any

import pytest


def tell(people: Any, *contents: dict[str, str]) -> None:
    people.channel("discord", max_per_hour=100)
    for number, content in enumerate(contents):
        people.insert(
            "notice", {"channel": "discord", "key": f"told {number}", "content": json.dumps(content)}
        )


@pytest.mark.outside(25)
def test_ten_long_notices_are_sent_in_as_few_messages_as_they_fit_into(people: Any) -> None:
    tell(people, *({"title": f"{n}", "text": "t" * 2500} for n in range(10)))

    assert people.send()["result"]["summary"] == "5 messages, 10 notices"

    assert people.states() == {"discord": ["sent"] * 10}
    assert [[one["title"] for one in message["embeds"]] for message in people.in_discord()] == [
        [f"{n}", f"{n + 1}"] for n in range(0, 10, 2)
    ]
    assert people.all("select distinct attempts from notice") == [{"attempts": 1}]


@pytest.mark.outside(25)
def test_one_notice_that_discord_refuses_does_not_take_nine_with_it(people: Any) -> None:
    people.rule("any", "price > 0")
    people.channel("discord", max_per_hour=100)
    for number in range(10):
        url = "https://harmful.example/x" if number == 6 else "https://shop.example/x"
        row = people.one(
            "insert into match (rule, subject, subject_id, occasion, occasion_key, title, facts)"
            " values ('any', 'listing', %s, 'new', 'new', %s, %s) returning id",
            str(number), f"ad {number}", json.dumps({"url": url}),
        )  # fmt: skip
        people.insert(
            "notice", {"channel": "discord", "key": f"match {row['id']}", "match_id": row["id"]}
        )

    people.send()

    states = people.states()["discord"]
    assert states == ["dead" if number == 6 else "sent" for number in range(10)]
    told = [one["title"] for message in people.in_discord() for one in message["embeds"]]
    assert sorted(told) == [f"ad {number}" for number in range(10) if number != 6]
    assert people.one("select answer from notice where state = 'dead'")["answer"] == (
        "discord: Discord said 400: Message blocked by harmful links filter"
    )


@pytest.mark.outside(25)
def test_a_digest_has_the_room_that_discord_gives(people: Any) -> None:
    tell(people, {"title": "Watchkeeper: the last day", "text": "d" * 4096})

    people.send()

    assert people.in_discord()[0]["embeds"][0]["description"] == "d" * 4096
