"""Actions: each is a statement of ``console/sql/writes.sql``, asked for by a program or by a form."""

import re
from inspect import Parameter, Signature
from typing import Any
from uuid import UUID

from fastapi import APIRouter
from starlette.responses import Response

from console import writes
from console.access import Visit
from console.shapes import Body, Number, Once, Requested, Row, requested, tagged
from console.templating import Form, drawn_again, go_to

_EMPTY = Parameter.empty
#: What a path may name → its kind.
_KINDS = {"name": str, "number": Number, "run": UUID}
#: What starts something, once for a key → what answers.
_STARTS: dict[str, Any] = {
    "run": Requested, "stop": Requested, "retry": Requested, "backfill": Row, "send_test": Row,
}  # fmt: skip
_WORDS = {
    "run": "Run it now, by its overlap policy; the id of its run is known at once.",
    "backfill": "Run every due time of a range; a dry run says what it costs and when it would end.",
    "stop": "Waiting batches end at once, running ones at their next call.",
    "retry": "Run it again with the same options: all of it, or its `failures` alone.",
    "undo": "A new edit with the old values; 412 where they were changed since.",
}


def asked_by_api(
    router: APIRouter, path: str, action: str, body: type[Body] | None = None, name: str | None = None
) -> None:
    def act(*, visit: Visit, body: Body | None = None, once: Any = None, **key: Any) -> Response:
        given = {**(body.model_dump(mode="json") if body else {}), **key}

        def done() -> Row:
            made = writes.do(visit.connection, action, **given)
            return requested(made) if answer is Requested else made

        return once(body, done, dry_run=given.get("dry_run", False)) if once else tagged(done())

    answer, starts = _STARTS.get(action, Row), action in _STARTS
    key = {one: _KINDS[one] for one in re.findall(r"{(\w+)}", path)}
    takes: dict[str, Any] = {"visit": Visit, **key, "body": body, "once": Once if starts else None}
    defaults: dict[str, Any] = {}
    if body is not None and not any(one.is_required() for one in body.model_fields.values()):
        # Who says nothing may leave it out.
        takes["body"], defaults["body"] = body | None, None
    act.__dict__["__signature__"] = Signature([
        Parameter(one, Parameter.KEYWORD_ONLY, annotation=kind, default=defaults.get(one, _EMPTY))
        for one, kind in takes.items() if kind
    ])  # fmt: skip
    shown = {"name": name or action, "description": _WORDS.get(action), "response_model": answer}
    router.post(path, status_code=202 if starts else 200, **shown)(act)


def asked_by_form(router: APIRouter, path: str, action: str, to: str, again: str | None = None) -> None:
    """On to the page ``to`` when it is done; the page ``again`` shows why it was refused."""

    def act(visit: Visit, form: Form) -> Response:
        key, there = visit.request.path_params, form.get("next", "")
        row = writes.do(visit.connection, action, **{**form, **key})
        return go_to(there if there.startswith("/schedules/") else to.format(**{**row, **key}))

    router.post(path, dependencies=[drawn_again(again)] if again else [])(act)
