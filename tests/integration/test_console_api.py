"""The API: lists, edits with If-Match, requests that are done once, refusals as problems."""

from __future__ import annotations

import json
import re
from html import unescape
from typing import Any

import httpx2
import pytest

from tests.support.console import Console

RUN = "00000000-0000-0000-0000-000000000001"
HOURLY = {"task": "tasks.discovery.discover", "every": "1 hour"}


@pytest.fixture
def api(console: Console) -> httpx2.Client:
    return console.api()


def make(api: httpx2.Client, name: str, **columns: Any) -> dict[str, Any]:
    made = api.post("/schedules", json={"name": name, **HOURLY, **columns})
    assert made.status_code == 201, made.text
    found: dict[str, Any] = made.json()
    return found


def test_a_schedule_is_made_read_edited_copied_and_deleted(api: httpx2.Client, connection: Any) -> None:
    make(api, "mine", note="first")
    read = api.get("/schedules/mine")
    tag = read.headers["etag"]
    assert (read.json()["every"], read.json()["runs"]) == (3600.0, "every 1 hour")

    assert api.patch("/schedules/mine", json={"note": "x"}).status_code == 428
    edited = api.patch("/schedules/mine", json={"every": "2 hours"}, headers={"if-match": tag})
    assert (edited.status_code, edited.json()["every"]) == (200, 7200.0)
    stale = api.patch("/schedules/mine", json={"note": "x"}, headers={"if-match": tag})
    assert (stale.status_code, stale.json()["title"]) == (412, "schedule mine was changed meanwhile")
    assert api.post("/schedules/mine/copy", json={"name": "mine-too"}).json()["enabled"] is False
    assert (
        api.delete("/schedules/mine", headers={"if-match": edited.headers["etag"]}).status_code == 204
    )
    assert api.get("/schedules/mine").status_code == 404
    who = connection.execute(
        "select distinct changed_by, program from change where name = 'mine'"
    ).fetchall()
    assert [row["program"] for row in who] == ["console api"]


def test_a_refusal_is_a_problem_in_the_databases_words(api: httpx2.Client) -> None:
    answer = api.post("/schedules", json={"name": "mine", "task": HOURLY["task"], "cron": "17:00"})

    assert answer.headers["content-type"] == "application/problem+json"
    told = answer.json()
    assert (told["status"], told["title"]) == (422, 'cron "17:00" has 1 field, needs 5')
    assert (told["column"], told["sqlstate"]) == ("cron", "23514")
    assert "minute hour day month weekday" in told["hint"]
    make(api, "mine")
    again = api.post("/schedules", json={"name": "mine", **HOURLY})
    assert again.status_code == 409


def test_a_value_that_its_type_refuses_is_told_with_its_column_and_what_to_write(
    api: httpx2.Client,
) -> None:
    for column, value, title, hint in (
        ("max_runs", 3 * 10**9, '"3000000000" is out of range', "at most 2147483647"),
        ("every", "6x", '"6x" is not a length of time', "15m"),
        ("timeout", "99999999999 days", '"99999999999 days" is too long', "36500 days"),
        ("at", "2026-02-30", '"2026-02-30" is not a time', "2026-12-24 17:00"),
        ("max_attempts", 10**6, "max_attempts = 1000000 is not allowed", "from 1 to 32767"),
    ):
        answer = api.post("/schedules", json={"name": "mine", **HOURLY, column: value})

        told = answer.json()
        assert (answer.status_code, told["title"], told["column"]) == (422, title, column)
        assert hint in told["hint"]


def test_a_refused_form_is_drawn_again_as_it_was_sent_with_the_reason(
    console: Console, api: httpx2.Client, connection: Any
) -> None:
    make(api, "mine")
    number = connection.execute("select max(id) as id from change").fetchone()["id"]
    page = console.as_("viewer")
    for path, form in (
        ("/schedules/mine", {"timing": "every", "every": "2 hours", "note": "as I typed it"}),
        ("/schedules/mine/pause", {"why": "as I typed it"}),
        ("/schedules/mine/run", {}),
        ("/schedules/mine/resume", {}),
        ("/schedules/_new", {"task": "tasks.upkeep.sessions", "name": "x", "note": "as I typed it"}),
        ("/schedules/_bulk", {"name": "mine", "action": "disable"}),
        ("/tables/rule/new", {"name": "x", "expression": "price < 1", "note": "as I typed it"}),
        ("/tables/upstream/row?name=stooq", {"note": "as I typed it"}),
        ("/budgets/stooq/unblock", {}),
        (f"/changes/{number}/undo", {}),
    ):
        answer = page.post(path, data=form)
        assert answer.status_code == 403, (path, answer.text)
        assert "a viewer cannot " in answer.text, (path, answer.text)
        assert ("as I typed it" in answer.text) is ("as I typed it" in form.values()), path
        assert 'aria-label="Pages"' in answer.text


def test_a_viewer_reads_and_changes_nothing(
    console: Console, api: httpx2.Client, connection: Any
) -> None:
    made = make(api, "mine")
    viewer = console.api("viewer")
    tag = {"if-match": f'"{made["revision"]}"'}
    connection.execute("truncate change")

    assert viewer.get("/schedules").json()["items"][0]["name"] == "mine"
    for answer in (
        viewer.patch("/schedules/mine", json={"note": "x"}, headers=tag),
        viewer.delete("/schedules/mine", headers=tag),
        viewer.post("/schedules/mine/run", json={}),
        viewer.post("/schedules/mine/pause", json={"why": "x"}),
        viewer.post("/pause-all", json={}),
        viewer.post("/bulk", json={"names": ["mine"], "action": "disable"}),
        viewer.post("/tables/rule", json={"name": "x", "expression": "price < 1"}),
    ):
        assert answer.status_code == 403, answer.text
        assert answer.json()["title"].startswith("a viewer cannot ")
        assert "console person change" in answer.json()["hint"]
    assert connection.execute("select from change").fetchall() == []
    assert connection.execute("select from run_request").fetchall() == []


def test_lists_go_on_by_cursor_and_say_no_total_unless_asked(api: httpx2.Client) -> None:
    for number in range(7):
        make(api, f"s-{number}")
    found, cursor = [], None
    while True:
        page = api.get(
            "/schedules", params={"sort": "name", "limit": 3, **({"cursor": cursor} if cursor else {})}
        ).json()
        assert page["total"] is None
        found += [one["name"] for one in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert found == [f"s-{number}" for number in range(7)]
    assert api.get("/schedules", params={"count": True}).json()["total"] == "7"
    assert api.get("/schedules", params={"cursor": "nonsense"}).status_code == 422
    assert api.get("/schedules", params={"limit": 101}).status_code == 422


def test_every_list_that_has_pages_says_its_total_when_asked(
    api: httpx2.Client, connection: Any
) -> None:
    make(api, "counted")
    connection.execute(
        "insert into run (id, task, trigger, due_at, state, queue, exclusive)"
        " select gen_random_uuid(), 'tasks.upkeep.retention', 'manual', now(), 'skipped', 'upkeep', false"
        "   from generate_series(1, 1200)"
    )
    connection.execute(
        "insert into rule (name, expression) values ('cheap', 'price < 1'), ('dear', 'price > 9')"
    )
    run = str(connection.execute("select id from run limit 1").fetchone()["id"])
    paths = api.get("/openapi.json").json()["paths"]
    lists = {
        path.removeprefix("/api/v1")
        for path, verbs in paths.items()
        if any(one["name"] == "cursor" for one in verbs.get("get", {}).get("parameters", []))
    }

    def total(path: str, **asked: str) -> str:
        where = path.format(run=run, table="rule")
        first = api.get(where, params={"limit": 1, **asked}).json()
        counted = api.get(where, params={"limit": 1, "count": True, **asked}).json()
        assert first == {**counted, "total": None}, path
        return counted["total"]

    found = {path: total(path) for path in lists}
    changes = connection.execute("select count(*)::text as number from change").fetchone()["number"]
    expected = {"/runs": "1,000+", "/schedules": "1", "/tables/{table}": "2", "/changes": changes}
    assert found == {**dict.fromkeys(lists, "0"), **expected}
    assert total("/runs", state="skipped", since="2020-01-01") == "1,000+"
    assert total("/runs", state="failed") == "0"


def test_items_of_a_run_go_on_by_cursor(console: Console, api: httpx2.Client, connection: Any) -> None:
    keys = [f"k{number:03}" for number in range(103)]
    connection.execute(
        "insert into run (id, task, options, trigger, due_at, state, queue, priority, max_attempts, exclusive)"
        " values (%s, 'tasks.discovery.discover', '{}', 'manual', now(), 'running', 'discovery', 5, 3, false)",
        (RUN,),
    )
    connection.execute(
        "insert into batch (run_id, seq, task, queue, priority, state, items, total) values"
        " (%s, 0, 'tasks.discovery.discover', 'discovery', 5, 'running', %s, 103)",
        (
            RUN,
            json.dumps([{"key": one, "state": "waiting" if one > "k000" else "done"} for one in keys]),
        ),
    )
    first = api.get(f"/runs/{RUN}/items", params={"limit": 100}).json()
    second = api.get(f"/runs/{RUN}/items", params={"limit": 100, "cursor": first["next"]}).json()

    assert [one["key"] for one in first["items"] + second["items"]] == keys
    assert second["next"] is None

    reader = console.as_("viewer")
    more = re.search('rel="next" href="([^"]+)"', reader.get(f"/runs/{RUN}?items=all").text)
    assert more
    assert "k102" in reader.get(unescape(more[1])).text


def test_a_run_is_asked_for_once_and_its_id_is_known_at_once(
    api: httpx2.Client, connection: Any
) -> None:
    make(api, "mine")
    key = {"idempotency-key": "abc"}
    first = api.post("/schedules/mine/run", json={"why": "now"}, headers=key)
    second = api.post("/schedules/mine/run", json={"why": "now"}, headers=key)
    other = api.post("/schedules/mine/run", json={"why": "other"}, headers=key)

    assert (first.status_code, second.json(), other.status_code) == (202, first.json(), 422)
    assert second.headers["idempotent-replayed"] == "true"
    (asked,) = connection.execute("select requested_by, new_run_id, note from run_request").fetchall()
    assert str(asked["new_run_id"]) == first.json()["run_id"]
    assert (asked["requested_by"].startswith("operator-"), asked["note"]) == (True, "now")


def test_a_request_without_a_body_and_one_with_an_empty_one_are_the_same(
    api: httpx2.Client, connection: Any
) -> None:
    make(api, "mine")
    key = {"idempotency-key": "abc"}
    first = api.post("/schedules/mine/run", headers=key)
    second = api.post("/schedules/mine/run", json={}, headers=key)
    third = api.post("/schedules/mine/run", json={"why": None}, headers=key)

    assert [one.status_code for one in (first, second, third)] == [202, 202, 202]
    assert second.json() == third.json() == first.json()
    assert len(connection.execute("select from run_request").fetchall()) == 1


def test_a_refused_request_leaves_its_key_free(api: httpx2.Client, connection: Any) -> None:
    key = {"idempotency-key": "abc"}
    assert api.post("/schedules/mine/run", json={}, headers=key).status_code == 404
    make(api, "mine")
    assert api.post("/schedules/mine/run", json={}, headers=key).status_code == 202


def test_a_backfill_says_what_it_costs_before_it_starts(api: httpx2.Client, connection: Any) -> None:
    make(api, "mine")
    body = {"first": "2026-11-01T00:00:00Z", "last": "2026-11-01T05:00:00Z"}
    cost = api.post("/schedules/mine/backfill", json=body).json()
    assert (cost["runs"], cost["request_id"]) == (6, None)
    assert connection.execute("select from run_request").fetchall() == []
    done = api.post("/schedules/mine/backfill", json={**body, "dry_run": False})
    assert done.json()["request_id"] is not None


def test_many_are_paused_by_a_filter_and_resumed_exactly(console: Console, api: httpx2.Client) -> None:
    for number in range(3):
        make(api, f"many-{number}")
    chosen = {"q": "many", "action": "pause"}
    assert api.post("/bulk/preview", json=chosen).json()["changed"] == 3
    done = api.post(
        "/bulk", json={**chosen, "why": "a move", "until": "2099-01-01T00:00:00Z", "expected": 3}
    )
    assert (done.status_code, done.json()["changed"]) == (202, 3)
    assert [
        one["pause_reason"] for one in api.get("/schedules", params={"state": "paused"}).json()["items"]
    ] == ["a move"] * 3
    page = console.as_().get("/changes", params={"operation": done.json()["operation"]})
    assert "Resume exactly these" in page.text
    back = api.post(f"/bulk/{done.json()['operation']}/resume")
    assert back.json()["changed"] == 3
    for nothing in ({}, {"q": " "}, {"state": "pausd"}):
        assert api.post("/bulk", json={"action": "disable", **nothing}).status_code == 422, nothing
    assert api.get("/schedules", params={"state": "disabled", "q": "many"}).json()["items"] == []


def test_a_change_is_undone_and_not_twice(api: httpx2.Client) -> None:
    make(api, "mine", note="old")
    api.patch("/schedules/mine", json={"note": "new"}, headers={"if-match": "*"})
    number = api.get("/changes", params={"name": "mine"}).json()["items"][0]["id"]
    undone = api.post(f"/changes/{number}/undo")
    assert (undone.status_code, undone.json()["new"]) == (200, {"note": "old"})
    again = api.post(f"/changes/{number}/undo")
    assert (again.status_code, again.json()["sqlstate"]) == (412, "WK412")


def test_the_page_of_changes_says_lengths_in_words_and_leads_to_what_was_undone(
    console: Console, api: httpx2.Client
) -> None:
    make(api, "mine", starts_at="2030-01-02T03:04Z", title="01:00:00")
    api.patch("/schedules/mine", json={"every": "90 minutes"}, headers={"if-match": "*"})
    number = api.get("/changes", params={"name": "mine"}).json()["items"][0]["id"]
    api.post(f"/changes/{number}/undo")

    page = console.as_().get("/changes").text
    assert "<bdi>1 hour</bdi> → <bdi>1 hour 30 minutes</bdi>" in page
    assert "<bdi>2030-01-02 03:04:00 UTC</bdi>" in page
    assert "<bdi>01:00:00</bdi>" in page
    assert f'undoes <a href="/changes?id={number}">' in page
    one = console.as_().get("/changes", params={"id": number}).text
    assert re.findall(r'<tr id="change-(\d+)"', one) == [str(number)]


def test_rows_of_tables_that_people_own(api: httpx2.Client) -> None:
    made = api.post("/tables/watchlist_item", json={"symbol": "ZZZ1", "refresh_every": "1 hour"})
    assert made.status_code == 201, made.text
    edited = api.patch(
        "/tables/watchlist_item/ZZZ1", json={"priority": 1}, headers={"if-match": made.headers["etag"]}
    )
    assert edited.json()["priority"] == 1
    api.post("/tables/quota", json={"upstream": "stooq", "per": 180, "calls": 5})
    quota = api.get("/tables/quota/stooq,3 minutes")
    assert quota.json()["per"] == 180
    assert (
        api.patch(
            "/tables/quota/stooq,00:03:00", json={"calls": 0}, headers={"if-match": "*"}
        ).status_code
        == 422
    )
    listed = api.get("/tables/quota").json()["items"]
    assert {one["upstream"] for one in listed} >= {"stooq"}
    found = api.get("/tables/quota", params={"q": "STOO"}).json()["items"]
    assert {one["upstream"] for one in found} == {"stooq"}
    assert api.get("/tables/quota", params={"q": "no_such"}).json()["items"] == []
    missing = api.post("/tables/transaction", json={"symbol": "ZZZ1"}).json()
    assert (missing["column"], "detail" in missing) == ("quantity", False)
    assert api.get("/tables/run").status_code == 422
    assert api.delete("/tables/watchlist_item/ZZZ1", headers={"if-match": "*"}).status_code == 204


def test_every_list_and_overview_answers(api: httpx2.Client) -> None:
    make(api, "mine")
    for path in ("dashboard", "strip", "queues", "kinds", "upstreams", "changes", "notices", "matches", "runs",
                 "tokens", "listings", "quotes", "prices", "me", "tables/rule", "tables/channel", "tables/site",
                 "tables/transaction", "schedules/mine/next-runs", "schedules/mine/strip"):  # fmt: skip
        answer = api.get(f"/{path}")
        assert answer.status_code == 200, (path, answer.text)
    for other in ({"channel": "nobody"}, {"match": 7}):
        assert api.get("/notices", params=other).json()["items"] == []
    assert api.get("/runs", params={"queue": "nobody"}).json()["items"] == []
    health = api.get("/health")
    assert (health.status_code, health.json()["trouble"][0]["kind"]) == (503, "beat silent")


def test_an_expired_or_unknown_token_is_nobody(console: Console, connection: Any) -> None:
    token = console.token()
    connection.execute("update console.api_token set expires_at = created_at")
    for given in (f"Bearer {token}", "Bearer wk_x", "Bearer", "Basic eDp5", "Bearer \u00e4"):
        answer = httpx2.get(
            f"{console.url}/api/v1/me", headers={"authorization": given.encode("latin-1")}
        )
        assert (answer.status_code, answer.json()["title"]) == (401, "a login is needed")


@pytest.mark.parametrize(
    "path",
    [
        "/../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        "/static/..%2fapp.py",
        "//evil.example/",
        "/static//etc/passwd",
    ],
)
def test_tricks_with_paths_lead_nowhere(console: Console, path: str) -> None:
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", console.config.port, timeout=10)
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()

    assert answer.status in {303, 404}
    assert b"root:" not in body
    assert b"import" not in body


def test_a_text_that_postgres_cannot_hold_is_refused(api: httpx2.Client) -> None:
    for name in ("nul\x00", "half \ud800"):
        body = json.dumps({"name": name, **HOURLY})
        answer = api.post("/schedules", content=body, headers={"content-type": "application/json"})
        assert answer.status_code == 422, answer.text


def test_a_row_is_titled_by_its_key_and_the_only_row_of_a_table_by_the_table(console: Console) -> None:
    client = console.as_()

    assert ">global filter</a>" in client.get("/tables/global_filter").text
    assert "<h1>Global filter</h1>" in client.get("/tables/global_filter/row?single=True").text
    upstream = client.get("/tables/upstream/row?name=dexscreener").text
    assert "<h1>dexscreener</h1>" in upstream
    assert 'href="/changes?table=upstream&amp;name=dexscreener"' in upstream
