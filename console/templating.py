"""What all pages share: Jinja2 (all is escaped, every value has a name), forms, what follows them."""

import hashlib
import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from html import escape
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlencode

import jinja2
from fastapi import APIRouter, Depends, Query
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from console import sql
from console.access import Sent, Visit, VisitOf
from console.queries import strip
from console.queries.lists import Asked
from console.refusals import Refusal
from console.sql import Row
from tasks.watches.registry import by_subject
from workers.text import short
from workers.text.words import count_words, duration_words

HERE = Path(__file__).parent
STATIC = HERE / "static"
_LINK = re.compile("https?://[^/?#]")
#: Address and name of each page, in the order of the menu.
PAGES = [
    ("/" if name == "Dashboard" else f"/{name.lower()}", name)
    for name in ("Dashboard", "Schedules", "Runs", "Budgets", "Workers", "Watches", "Changes")
]

#: Glyph and class → states of runs, batches, items, notices, sites and others that look so.
_LOOKS = {
    ("✔", "ok"): ("succeeded", "done", "sent", "ok", "on", "active", "complete"),
    ("◐", "part"): ("partial", "incomplete"),
    ("✖", "fail"): ("failed", "blocked", "SILENT", "wrong", "dead"),
    ("▶", "wait"): ("running",),
    ("…", "wait"): ("due", "held", "waiting", "sending"),
    ("…", "part"): ("deferred",),
    ("■", "off"): ("stopped",),
    ("↷", "off"): ("skipped",),
    ("∅", "part"): ("missed", "expired"),
    ("○", "off"): ("disabled", "ended"),
    ("❚❚", "off"): ("paused",),
}
_LOOK_OF = {state: look for look, states in _LOOKS.items() for state in states}


class Environment(jinja2.Environment):
    def getattr(self, obj: Any, attribute: str) -> Any:
        """Most of what templates look into are rows: a column goes before what a dictionary can do."""
        known = type(obj) is dict and attribute in obj
        return obj[attribute] if known else super().getattr(obj, attribute)


@cache
def environment() -> Environment:
    made = Environment(
        loader=jinja2.FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "exact": short.exact, "number": short.number, "took": short.took, "pretty": pretty,
        "heading": short.title, "span": short.span, "duration": duration_words,
    }  # fmt: skip
    made.tests |= {
        "link": is_link, "moment": lambda value: isinstance(value, datetime),
        "duration": lambda value: isinstance(value, timedelta),
    }  # fmt: skip
    made.globals |= {
        "asset": asset, "when": when, "utc_now": lambda: datetime.now(UTC),
        "look": state_look, "plural": count_words, "query": query,
        "pages": PAGES, "address": address, "last_runs": last_runs,
        "watches": by_subject(), "current_strip": _strip_of,
    }  # fmt: skip
    # Macros that every template may use, also when one block of it is drawn alone.
    macros = {"m": "macros", "panels": "panels", "f": "fields", "changed": "changed", "w": "when"}
    for name, file in macros.items():
        made.globals[name] = made.get_template(f"{file}.html").module
    return made


def render(visit: VisitOf, template: str, status: int = 200, /, **context: Any) -> Response:
    return rendered(visit.request, template, status, person=visit.person, visit=visit, **context)


def rendered(request: Request, template: str, status: int = 200, /, **context: Any) -> Response:
    """A page, with why its form was refused; its block ``live`` alone where that is fetched again."""
    refusal: Refusal | None = context.setdefault("refusal", getattr(request.state, "refusal", None))
    status = refusal.status if refusal else status
    given = {"person": None, "request": request, "path": request.url.path, **context}
    made = environment().get_template(template)
    headers = {"retry-after": "60"} if status == 429 else None
    if "hx-request" in request.headers and "live" in made.blocks:
        return HTMLResponse("".join(made.blocks["live"](made.new_context(given))), status, headers)
    return HTMLResponse(made.render(given), status, headers)


def page_of(router: APIRouter, path: str, template: str, asks: type[Asked], **parts: str) -> None:
    """A page of a list, and of what other statements find, which bind what is asked for."""

    def page(visit: VisitOf, asked: Any) -> Response:
        given, connection = asked.model_dump(), visit.connection
        shown = {part: sql.rows(connection, statement, **given) for part, statement in parts.items()}
        found = asked.read(connection) if hasattr(asks, "statement") else None
        return render(visit, template, found=found, asked=asked, **shown)

    page.__annotations__ |= {"visit": Visit, "asked": Annotated[asks, Query()]}
    router.get(path)(page)


async def form_of(request: Request) -> Sent:
    """The form that was sent; files are left out."""
    sent = (await request.form()).multi_items()
    made = Sent([(name, value.replace("\0", "")) for name, value in sent if isinstance(value, str)])
    request.state.sent = made
    return made


Form = Annotated[Sent, Depends(form_of)]


def drawn_again(page: str | None = None) -> Any:
    """Of the route of a form: this page, or that of its address, shows why it was refused."""

    def note(request: Request) -> None:
        request.state.page = page.format(**request.path_params) if page else request.scope["path"]

    return Depends(note)


#: What a form is answered with: the page to go on to.
go_to = partial(RedirectResponse, status_code=303)


@cache
def asset(name: str) -> str:
    """Address of a static file; it changes with the file, which browsers may therefore keep."""
    digest = hashlib.sha256((STATIC / name).read_bytes()).hexdigest()
    return f"/static/{name}?v={digest[:16]}"


def address(request: Request) -> str:
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")


def is_link(value: Any) -> bool:
    """Whether a text may become a link: http and https only."""
    return isinstance(value, str) and _LINK.match(value) is not None


def query(parameters: dict[str, Any], **changes: Any) -> str:
    """A query string with some parameters changed; empty ones are left out."""
    kept = {**parameters, **changes}
    pairs = [(name, value) for name, value in kept.items() if value or type(value) is int]
    return "?" + urlencode(pairs, doseq=True)


# Drawn here and not by macros, since a list has a hundred of one and a thousand of the other.
def when(at: Any, plain: bool = False, missing: str = "never") -> Markup:
    """A moment: relative, exact on hover."""
    if not isinstance(at, datetime):
        return Markup("until resumed" if at else f'<span class="soft">{missing}</span>')  # noqa: S704 - words of ours
    said, how = short.relative(at, datetime.now(UTC)), "plain" if plain else "full"
    exact = f'datetime="{at.isoformat()}" title="{short.exact(at)}"'
    return Markup(f'<time {exact} data-rel="{how}">{said}</time>')  # noqa: S704 - words of ours


def last_runs(runs: Sequence[Row], width: int = 146, height: int = 22) -> Markup:
    """Bars of the last 24 runs, the newest at the right; the longest run has the highest bar."""
    took = [run["seconds"] or 0.0 for run in runs]
    scale = height / (max(took, default=0.0) or 1.0) ** 0.5
    states = ", ".join([run["state"] for run in runs][::-1]) or "none"
    label = f'role="group" aria-label="last {len(runs)} runs: {states}"'
    drawn = f'<svg class="runs24" viewBox="0 0 {width} {height}" {label}>'
    for place, (run, seconds) in enumerate(zip(runs, took, strict=True), 24 - len(runs)):
        look, tall = state_look(run["state"])[1], max(4.0, scale * seconds**0.5)
        said = f"{run['state']} {run['at']}" + (f": {run['said']}" if run["said"] else "")
        drawn += (
            f'<a href="/runs/{run["id"]}" tabindex="-1" aria-hidden="true"><rect class="{look}" rx="1"'
            f' x="{place * width / 24:.5g}" y="{height - tall:.4g}" width="4.6" height="{tall:.4g}">'
            f"<title>{escape(said, quote=False)}</title></rect></a>"
        )
    return Markup(drawn + "</svg>")  # noqa: S704 - numbers, words of ours, and what was escaped


def pretty(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True, default=str)


def _strip_of(visit: VisitOf | None) -> Row | None:
    """The strip; on the page of an account, which reads as nobody, as it was last."""
    if visit is None or visit.request.url.path.startswith("/account"):
        return strip.last()
    return strip.current(visit.connection)


def state_look(word: str | None) -> tuple[str, str]:
    """Glyph and class of a state; a plain dot for one that is unknown."""
    return _LOOK_OF.get(word or "", ("·", "off"))
