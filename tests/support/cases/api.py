"""Cases of the earlier HTTP APIs: each old endpoint is the new one that docs/parity.md names."""

from __future__ import annotations

import re
import uuid
from typing import Any

from tests.support.cases.common import only

ANY = {"if-match": "*"}


def discovery_api(given: dict[str, Any], expected: dict[str, Any], need: Any) -> dict[str, Any]:
    """WallTrack's: discovery run, runs, run, config."""
    only(given, "method", "path", "body")
    api = need("console").api()
    made = api.post(
        "/schedules", json={"name": "discovery", "task": "tasks.discovery.discover", "every": "6 hours"}
    )
    assert made.status_code == 201, made.text
    path = given.get("path", "/api/discovery/config")
    if path == "/api/discovery/run":
        answer = api.post("/schedules/discovery/run", json=given["body"])
        told = answer.json()
        fields = {"run_id": "run_id", "status=started": "run", "message": "request"}
        shown = [old for old, new in fields.items() if told.get(new)]
        return {"http": {202: 200}.get(answer.status_code, answer.status_code), "fields": shown}
    if path.startswith("/api/discovery/runs/"):
        answer = api.get(f"/runs/{uuid.uuid4()}")
        words = {"no such run": "Run not found"}
        return {"http": answer.status_code, "detail": words.get(answer.json()["title"])}
    if path.startswith("/api/discovery/runs?"):
        answer = api.get("/runs", params={"limit": path.partition("page_size=")[2]})
        return {"http": answer.status_code}
    assert path == "/api/discovery/config"
    answer = api.patch("/schedules/discovery", json={"options": given["body"]}, headers=ANY)
    stored = api.get("/schedules/discovery").json()["options"]
    return {
        "http": answer.status_code,
        **{f"stored_{name}": stored.get(name) for name in given["body"]},
    }


def jobs_api(given: dict[str, Any], _: dict[str, Any], need: Any) -> dict[str, Any]:
    """StockAnalyzer's: jobs list, get, update, start, stop."""
    only(given, "method", "path", "body", "calls")
    api = need("console").api()
    job = {
        "name": "job", "task": "tasks.prices.history", "cron": "0 17 * * *",
        "timezone": "America/New_York", "options": {"symbols": ["AAPL"]},
    }  # fmt: skip
    made = api.post("/schedules", json=job)
    assert made.status_code == 201, made.text
    if "calls" in given:
        active = []
        for call in given["calls"]:
            verb, body = {"stop": ("pause", {"why": "stop"}), "start": ("resume", {})}[call]
            assert api.post(f"/schedules/job/{verb}", json=body).status_code == 200
            active.append(api.get("/schedules/job").json()["state"] == "on")
        return {"is_active": active}
    if "path" in given:
        answer = api.get(f"/schedules/{given['path'].rpartition('/')[2]}")
        known = "no schedule named" in answer.json()["title"]
        return {"http": answer.status_code, "detail": "Job not found" if known else None}
    hour, minute = given["body"]["schedule_time"].split(":")
    answer = api.patch("/schedules/job", json={"cron": f"{minute} {hour} * * *"}, headers=ANY)
    if answer.status_code != 200:
        return {"http": answer.status_code}
    coming = api.get("/schedules/job/next-runs", params={"number": 1}).json()["items"][0]
    at = re.search(r"\d\d:\d\d", coming["local"])
    return {"next_run": f"{at.group() if at else None} local"}
