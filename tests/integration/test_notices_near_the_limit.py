"""A channel near its limit of messages an hour gathers what waits; nothing is lost or told twice."""

from __future__ import annotations

import json
import re
from typing import Any
from uuid import uuid4

import pytest

pytestmark = pytest.mark.outside(9)


def write(people: Any, *numbers: int, text: str = "", channel: str = "discord") -> None:
    for number in numbers:
        people.sql.execute(
            "insert into notice (channel, key, content) values (%s, %s, %s)",
            (channel, f"n{number}", json.dumps({"title": f"Notice {number:03}", "text": text})),
        )


def told(people: Any) -> list[int]:
    """Numbers of the notices in the messages that arrived, as often as they were told."""
    found = [re.findall(r"Notice (\d+)", json.dumps(one["embeds"])) for one in people.in_discord()]
    return sorted(int(number) for one in found for number in one)


def pass_time(people: Any, length: str) -> None:
    people.sql.execute(
        "update notice set sent_at = sent_at - %s::interval where state = 'sent'", (length,)
    )


def held(people: Any) -> list[dict[str, Any]]:
    return people.all("select title, text, severity from trouble where kind = 'notices held'")


def test_the_last_message_of_the_hour_takes_all_that_waits(people: Any) -> None:
    people.channel("discord", max_per_hour=3)
    write(people, *range(1, 48))

    people.send()

    assert told(people) == list(range(1, 48))
    assert [len(one["embeds"]) for one in people.in_discord()] == [10, 10, 1]
    assert people.in_discord()[2]["embeds"][0]["title"] == "27 notices"
    assert people.one("select count(*) as n from permit where upstream = 'discord'")["n"] == 3


def test_what_is_held_is_in_trouble_until_it_is_sent(people: Any) -> None:
    people.channel("discord", max_per_hour=2)
    for number in (1, 2, 3, 4):
        write(people, number)
        people.send()
    assert told(people) == [1, 2]
    until = people.one("select sent_at + interval '1 hour' as at from notice where key = 'n1'")["at"]

    assert held(people) == [
        {
            "title": "discord is near its limit of messages an hour",
            "text": "2 waiting; messages in the last hour: 2 of 2; one with all waiting notices goes at "
            f"{until:%Y-%m-%d %H:%M:%S} UTC",
            "severity": "warning",
        }
    ]
    pass_time(people, "1 hour")
    people.send()
    assert told(people) == [1, 2, 3, 4]
    assert len(people.in_discord()) == 3
    assert held(people) == []


def test_a_busy_channel_goes_on_all_hour_and_never_passes_its_limit(people: Any) -> None:
    people.channel("discord", max_per_hour=30)
    number, waited = 0, 0
    for minute in range(90):
        for _ in range(1 if minute % 3 else 2):
            number += 1
            write(people, number)
            people.send()
        pass_time(people, "1 minute")
        hour = people.one(
            "select count(distinct message_id) as n, clock_timestamp() - max(sent_at) as last from notice"
            " where sent_at > clock_timestamp() - interval '1 hour'"
        )
        assert hour["n"] <= 30
        waited = max(waited, hour["last"].total_seconds())

    assert waited < 12 * 60, "the last fifth is spread over the hour"
    pass_time(people, "1 hour")
    people.send()
    assert told(people) == list(range(1, number + 1))


def test_more_than_a_message_holds_is_told_with_the_next(people: Any) -> None:
    people.channel("discord", max_per_hour=1)
    write(people, *range(1, 61), text="x" * 200)

    people.send()
    first = told(people)
    assert first == list(range(1, len(first) + 1))
    assert 15 < len(first) < 60
    assert people.one("select count(*) as n from notice where state = 'waiting' and attempts = 0")[
        "n"
    ] == 60 - len(first)
    for _ in range(4):
        pass_time(people, "1 hour")
        people.send()

    assert told(people) == list(range(1, 61))


def test_a_gathered_message_that_is_refused_is_told_once_it_is_taken(people: Any) -> None:
    people.channel("discord", max_per_hour=1)
    write(people, *range(1, 31))
    people.discord_server.control(down=60)
    people.send()
    assert (told(people), people.states()) == ([], {"discord": ["waiting"] * 30})
    people.discord_server.control(down=0)
    people.now()

    people.send()

    assert told(people) == list(range(1, 31))


def test_a_message_on_its_way_counts(people: Any) -> None:
    from datetime import timedelta

    from tasks.watches import notices
    from workers.db import transaction

    people.channel("discord", max_per_hour=1)
    write(people, 1, 2)
    with transaction() as connection:
        assert len(notices.claim(connection, "discord", uuid4(), timedelta(seconds=30))[0]) == 2
    write(people, 3)
    with transaction() as connection:
        assert notices.claim(connection, "discord", uuid4(), timedelta(seconds=30))[0] == []


def test_two_senders_at_once_take_one_message(people: Any) -> None:
    from datetime import timedelta

    from tasks.watches import notices
    from workers.db import transaction

    people.channel("discord", max_per_hour=1)
    write(people, *range(1, 12))
    with transaction() as first, transaction() as second:
        assert len(notices.claim(first, "discord", uuid4(), timedelta(seconds=30))[0]) == 11
        assert notices.claim(second, "discord", uuid4(), timedelta(seconds=30))[0] == []


def test_notices_that_do_not_leave_say_why(people: Any) -> None:
    people.channel("discord")
    write(people, 1)
    people.sql.execute(
        "update notice set created_at = now() - interval '6 minutes', answer = 'Discord said 500'"
    )

    assert held(people) == [
        {
            "title": "notices for discord are not sent",
            "text": "1 waiting; the oldest is from 6m ago; the server said: Discord said 500",
            "severity": "error",
        }
    ]
