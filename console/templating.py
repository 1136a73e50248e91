"""What all pages share: Jinja2 (all is escaped, every value has a name), forms, what follows them."""

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlencode, urlsplit

from fastapi import APIRouter, Depends, Query
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from console import sql, words
from console.access import Sent, Visit, VisitOf
from console.queries import strip
from console.queries.lists import Asked
from console.refusals import Refusal
from console.sql import Row
from tasks.watches.registry import by_subject
from workers.text.words import count_words, duration_words

#: A bar of a strip; drawn here and not by a macro, since a list has a thousand of them.
_BAR = (
    '<a href="/runs/{}" tabindex="-1" aria-hidden="true">'
    '<rect class="{}" x="{:.5g}" y="{:.4g}" width="4.6" height="{:.4g}" rx="1">'
    "<title>{}</title></rect></a>"
)
HERE = Path(__file__).parent
STATIC = HERE / "static"
#: Address and name of each page, in the order of the menu.
PAGES = [
    ("/" if name == "Dashboard" else f"/{name.lower()}", name)
    for name in ("Dashboard", "Schedules", "Runs", "Budgets", "Workers", "Watches", "Changes")
]


@cache
def environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "exact": words.exact, "number": words.number, "took": words.took, "pretty": pretty,
        "heading": words.title, "span": words.span, "duration": duration_words,
    }  # fmt: skip
    made.tests |= {
        "link": is_link, "moment": lambda value: isinstance(value, datetime),
        "duration": lambda value: isinstance(value, timedelta),
    }  # fmt: skip
    made.globals |= {
        "asset": asset, "relative": words.relative, "utc_now": lambda: datetime.now(UTC),
        "look": words.state_look, "plural": count_words, "query": query,
        "pages": PAGES, "address": address, "bars_of": bars_of,
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
    """A page, by default for nobody in particular, or its block ``live`` where that is fetched again.

    It shows why its form was refused.
    """
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
    try:
        parts = urlsplit(value) if isinstance(value, str) else None
    except ValueError:
        return False
    return parts is not None and value.startswith(("http://", "https://")) and bool(parts.netloc)


def query(parameters: dict[str, Any], **changes: Any) -> str:
    """A query string with some parameters changed; empty ones are left out."""
    kept = {**parameters, **changes}
    pairs = [(name, value) for name, value in kept.items() if value or type(value) is int]
    return "?" + urlencode(pairs, doseq=True) if pairs else "?"


def bars_of(runs: Sequence[Any], width: int = 146, height: int = 22) -> Markup:
    """Bars of the last 24 runs, the newest at the right; the longest run has the highest bar."""
    longest = max((run["seconds"] or 0.0 for run in runs), default=0.0) or 1.0
    bars = []
    for place, run in enumerate(runs, 24 - len(runs)):
        tall = max(4.0, height * ((run["seconds"] or 0.0) / longest) ** 0.5)
        said = f"{run['state']} {run['at']}" + (f": {run['said']}" if run["said"] else "")
        look = words.state_look(run["state"])[1]
        at = (place * width / 24, height - tall, tall)
        bars.append(_BAR.format(run["id"], look, *at, escape(said)))
    return Markup("".join(bars))  # noqa: S704 - numbers, words of ours, and what was escaped


def pretty(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True, default=str)


def _strip_of(visit: VisitOf | None) -> Row | None:
    """The strip; on the page of an account, which reads as nobody, as it was last."""
    if visit is None or visit.request.url.path.startswith("/account"):
        return strip.last()
    return strip.current(visit.connection)
