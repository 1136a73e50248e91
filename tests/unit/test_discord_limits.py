"""Messages to Discord keep its limits, whatever strangers write into a title or a field."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.upstreams import discord
from sandbox.upstreams.base import Request
from tasks.watches import adapters, messages
from tasks.watches.adapters import by_discord
from tasks.watches.messages import Note
from workers.errors import RateLimited
from workers.upstreams import Response
from workers.upstreams.retry import MAX_RETRY_AFTER

#: Text that grows long, with letters of one, two and four bytes, and blanks at the ends.
TEXT = st.builds(
    lambda text, times: text * times,
    st.text(st.sampled_from("aé🎧 \n"), max_size=4),
    st.integers(0, 2000),
)
NOTES = st.lists(
    st.builds(
        Note, TEXT, TEXT, fields=st.lists(st.tuples(TEXT, TEXT), max_size=30).map(tuple),
        url=st.sampled_from([None, "http://", "http://a b", "https://[", "https://a.example/" + "x" * 3000, "https://a.example/1"]),
    ),
    min_size=1, max_size=14,
)  # fmt: skip


def answered(body: object) -> tuple[int, str]:
    """What the imitation answers to a message."""
    request = Request("POST", "/api/webhooks/1/t", {}, {}, json.dumps(body).encode(), 0.0, 1)
    status, _, said = discord.respond(request)
    return status, said.decode()


def embed(title: str = "t", **more: object) -> dict[str, object]:
    return {"title": title, **more}


@pytest.mark.outside(25)
@given(NOTES)
def test_every_message_is_one_that_discord_takes(notes: list[Note]) -> None:
    sent = 0
    while rest := notes[sent:]:
        count = adapters.fitting("discord", rest)
        assert 1 <= count <= len(rest)
        assert answered(messages.discord(rest[:count])) == (204, "")
        sent += count


@pytest.mark.outside(25)
def test_ten_ads_that_are_too_long_together_are_split_and_nothing_is_cut_for_it() -> None:
    notes = [Note(f"{n}" * 200, "New match", fields=(("Seller", "s" * 900),)) for n in range(10)]

    sizes = []
    while notes:
        count = adapters.fitting("discord", notes)
        assert all(
            field["value"] == "s" * 900
            for one in messages.discord(notes[:count])["embeds"]
            for field in one["fields"]
        )
        sizes.append(count)
        notes = notes[count:]

    assert sizes == [5, 5]


@pytest.mark.outside(25)
def test_a_long_text_is_cut_at_4096_characters_and_not_before() -> None:
    for length, shown in ((4096, "d" * 4096), (4097, "d" * 4095 + "…")):
        (one,) = messages.discord([Note("The last day", "d" * length)])["embeds"]
        assert one["description"] == shown


@pytest.mark.outside(25)
@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"embeds": [embed(description="d" * 4000)] * 2}, "Embed size exceeds maximum size of 6000"),
        ({"embeds": [embed(description="d" * 4097)]}, "Must be 4096 or fewer in length."),
        ({"embeds": [embed("t" * 257)]}, "Must be 256 or fewer in length."),
        ({"embeds": [embed(fields=[{"name": "n", "value": "v" * 1025}])]}, "Must be 1024 or fewer in length."),
        ({"embeds": [embed(fields=[{"name": "n", "value": "v"}] * 26)]}, "Must be 25 or fewer in length."),
        ({"embeds": [embed(fields=[{"name": "n", "value": " "}])]}, "This field is required"),
        ({"embeds": [embed(footer={"text": "f" * 2049})]}, "Must be 2048 or fewer in length."),
        ({"embeds": [embed(author={"name": "a" * 257})]}, "Must be 256 or fewer in length."),
        ({"embeds": [embed()] * 11}, "Must be 10 or fewer in length."),
        ({"embeds": [embed(url="http://")]}, "Not a well formed URL."),
        ({"content": "c" * 2001}, "Must be 2000 or fewer in length."),
        ({}, "Cannot send an empty message"),
    ],
)  # fmt: skip
def test_the_imitation_refuses_what_discord_refuses(body: object, words: str) -> None:
    status, said = answered(body)

    assert status == 400
    assert words in said


@pytest.mark.outside(25)
def test_the_imitation_counts_characters_and_not_bytes_and_no_blanks_at_the_ends() -> None:
    assert answered({"embeds": [embed("🎧" * 256, description=" " * 10_000 + "d" * 4096)]})[0] == 204
    assert answered({"embeds": [embed("t" * 256, description="d" * 2744)] * 2})[0] == 204


def response(body: bytes) -> Response:
    return Response("discord", 200, "https://discord.com/api/webhooks/1/t", {}, body)


@pytest.mark.parametrize(
    ("said", "wait"),
    [
        (b"1.5", 1.5), (b'"3"', 3), (b"-1", 0), (b"1e300", MAX_RETRY_AFTER), (b"1e999", None), (b"NaN", None),
        (b"null", None), (b"true", None), (b"[1]", None), (b'{"a": 1}', None), (b'"soon"', None),
    ],
)  # fmt: skip
def test_a_limit_in_the_body_is_one_whatever_its_time_is(said: bytes, wait: float | None) -> None:
    with pytest.raises(RateLimited) as refused:
        by_discord.check(
            response(b'{"message": "You are being rate limited.", "retry_after": %s}' % said)
        )
    assert refused.value.retry_after == wait


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"null", b"7", b'"sent"', b'[{"id": "1"}]', b'{"id": null}']
)
def test_a_message_that_was_taken_with_an_odd_answer_counts_as_sent(body: bytes) -> None:
    by_discord.check(response(body))
    assert by_discord.answer_of(response(body)) == "Discord said 200"
