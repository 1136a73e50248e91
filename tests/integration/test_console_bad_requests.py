"""What the API says of requests that cannot be right."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from tests.support.console import Console

HOURLY = {"task": "tasks.discovery.discover", "every": "1 hour"}
NOBODY = "00000000-0000-0000-0000-00000000dead"


@pytest.fixture
def api(console: Console) -> httpx2.Client:
    made = console.api()
    assert made.post("/schedules", json={"name": "mine", **HOURLY}).status_code == 201
    return made


def told(answer: httpx2.Response) -> tuple[int, str, str | None]:
    found = answer.json()
    assert (found["status"], answer.headers["content-type"]) == (
        answer.status_code, "application/problem+json",
    )  # fmt: skip
    return found["status"], found["title"], found.get("column")


@pytest.mark.parametrize(
    ("sent", "kind", "status", "title"),
    [
        (b'{"name": ', "application/json", 400, "the body is not JSON: Expecting value at character 9"),
        (b'{"name": "\xff"}', "application/json", 400, "the body is not JSON that can be read"),
        (b"[" * 100_000, "application/json", 400, "the body is not JSON that can be read"),
        (b'{"name": "mine"}', "text/plain", 415, "the body is not sent as JSON"),
        (b"name=mine", "application/x-www-form-urlencoded", 415, "the body is not sent as JSON"),
    ],
)
def test_a_body_that_is_no_json_is_told_so(
    api: httpx2.Client, sent: bytes, kind: str, status: int, title: str
) -> None:
    for path in ("/schedules", "/schedules/mine/pause"):
        answer = api.post(path, content=sent, headers={"content-type": kind})
        assert told(answer)[:2] == (status, title), path


@pytest.mark.parametrize(
    ("action", "more", "column"),
    [
        ("pause", {"column": "note", "value": "x"}, "column"),
        ("enable", {"until": "2099-01-01T00:00:00Z"}, "until"),
        ("set", {"column": "note", "value": "x", "why": "a move"}, "why"),
    ],
)
def test_what_an_action_on_many_does_not_take_is_refused(
    api: httpx2.Client, action: str, more: dict[str, Any], column: str
) -> None:
    answer = api.post("/bulk", json={"names": ["mine"], "action": action, **more})
    assert told(answer) == (422, f"{action} takes no {column}", column)


def test_an_empty_text_is_no_null(api: httpx2.Client) -> None:
    made = api.post("/schedules", json={"name": "other", **HOURLY, "note": ""})
    assert (made.status_code, made.json()["note"]) == (201, "")
    for wrong in ({"every": ""}, {"timezone": ""}):
        edited = api.patch("/schedules/mine", json=wrong, headers={"if-match": "*"})
        assert told(edited)[::2] == (422, *wrong), wrong


@pytest.mark.parametrize(
    ("path", "column", "title"),
    [
        ("/runs?stat=failed", "stat", "there is no parameter stat"),
        ("/schedules?unknown=1", "unknown", "there is no parameter unknown"),
        ("/schedules/mine?limit=5", "limit", "there is no parameter limit"),
        ("/runs?trigger=nope", "trigger", 'no trigger "nope"'),
        ("/calls?outcome=nope", "outcome", 'no outcome "nope"'),
        ("/batches?state=nope", "state", 'no state "nope"'),
        ("/notices?state=nope", "state", 'no state "nope"'),
    ],
)
def test_a_filter_that_cannot_choose_is_refused(
    api: httpx2.Client, path: str, column: str, title: str
) -> None:
    assert told(api.get(path)) == (422, title, column)


@pytest.mark.parametrize(
    ("method", "path", "body", "title"),
    [
        ("GET", "/schedules/nope/strip", None, 'no schedule named "nope"'),
        ("GET", f"/runs/{NOBODY}/items", None, f'no run "{NOBODY}"'),
        ("GET", "/prices/NOPE", None, 'no quote "NOPE"'),
        ("POST", "/runs/retry", {"since": "2026-01-01T00:00Z", "schedule": "nope"}, 'no schedule named "nope"'),
        ("POST", "/bulk", {"names": ["mine", "nope"], "action": "pause"}, 'no schedule named "nope"'),
        ("POST", "/bulk/preview", {"names": ["nope"], "action": "pause"}, 'no schedule named "nope"'),
        ("POST", f"/bulk/{NOBODY}/resume", None, f"no operation {NOBODY} paused schedules"),
        ("POST", "/channels/nope/test", None, 'no channel named "nope"'),
    ],
)  # fmt: skip
def test_what_is_not_there_is_not_found(
    api: httpx2.Client, method: str, path: str, body: Any, title: str
) -> None:
    assert told(api.request(method, path, json=body))[:2] == (404, title)
    assert api.get("/schedules/mine").json()["paused_until"] is None


@pytest.mark.parametrize(
    ("column", "value", "title"),
    [
        ("every", ["2 hours"], "every cannot be a list"),
        ("title", {"a": 1}, "title cannot be an object"),
    ],
)
def test_a_list_is_no_value_of_a_plain_column(
    api: httpx2.Client, column: str, value: Any, title: str
) -> None:
    answer = api.patch("/schedules/mine", json={column: value}, headers={"if-match": "*"})
    assert told(answer) == (422, title, column)


def test_what_exists_already_is_named(api: httpx2.Client) -> None:
    again = api.post("/schedules", json={"name": "mine", **HOURLY})
    assert told(again) == (409, 'schedule "mine" exists already', "name")
    limit = {"upstream": "head_fi", "per": "7 days", "calls": 5}
    assert api.post("/tables/quota", json=limit).status_code == 201
    again = api.post("/tables/quota", json=limit)
    assert told(again) == (409, 'quota "head_fi, 7 days" exists already', "upstream")


@pytest.mark.parametrize("path", ["/schedules/mine/pause", "/schedules/mine/run", "/pause-all"])
def test_who_has_nothing_to_say_sends_no_body(api: httpx2.Client, path: str) -> None:
    assert api.post(path).is_success
