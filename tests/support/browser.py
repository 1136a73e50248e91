"""A sandbox with its console, and a browser that is logged in to it."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, expect, sync_playwright

from sandbox import folders
from sandbox.processes import Process
from tests.support.processes import free_base
from tests.support.tools import need
from tests.support.waiting import wait_for
from workers.upstreams.browser import PROGRAMS

ROOT = Path(__file__).parents[2]
AXE = Path(__file__).with_name("vendor") / "axe.min.js"
#: Longest wait for what a page should show (milliseconds).
PATIENCE = 30_000
SIZES = {"wide": {"width": 1440, "height": 900}, "phone": {"width": 400, "height": 860},
         "readme": {"width": 860, "height": 560}, "frame": {"width": 1240, "height": 560}}  # fmt: skip


@dataclass
class Site:
    """The running sandbox: its console's address, and SQL on its database."""

    url: str
    link: str
    env: dict[str, str]
    #: The owner's address of the database, for what an operator may not write.
    owner: str
    #: The login of the first browser; the link works once.
    login: Any = None

    def sql(self, statement: str) -> str:
        done = subprocess.run(
            ["psql", "-XAtqc", statement], env=self.env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


@contextmanager
def running_site(log: Path) -> Iterator[Site]:
    """A fresh sandbox as `make run` starts it."""
    with folders.temporary("watchkeeper-browser-") as folder:
        place = ["--data", str(folder / "data"), "--port-base", str(free_base())]
        run = Process([sys.executable, "-m", "sandbox", "run", *place], log=log, cwd=ROOT)
        run.start()
        try:
            address = re.compile(r"Console\s+(http://[^/\s]+)(/link/\S+)\s")
            wait_for(lambda: address.search(run.tail(60)) or not run.running, 400)
            found = address.search(run.tail(60))
            assert found, run.tail(60)
            wait_for((folder / "data" / "env").exists, 10)
            owner = shlex.split((folder / "data" / "link").read_text().partition("_URL=")[2])[0]
            yield Site(found[1], found[2], _environment(folder / "data" / "env"), owner)
        finally:
            run.stop(grace=15.0)


def _environment(file: Path) -> dict[str, str]:
    found = dict(os.environ)
    for line in file.read_text().splitlines():
        name, _, value = line.removeprefix("export ").partition("=")
        if name == "PATH":
            found["PATH"] = shlex.split(value)[0].replace("$PATH", os.environ["PATH"])
        elif name:
            found[name] = shlex.split(value)[0] if value else ""
    return found


#: Keeps what a page is told and what it asks for, with milliseconds since its begin.
HEARD = """
window.heard = [];
for (const event of ["changed", "edited", "htmx:sse:after:connection", "htmx:sse:error", "htmx:sse:close",
                     "htmx:before:request", "htmx:after:request", "htmx:after:swap", "htmx:error"])
    document.addEventListener(event, (it) => window.heard.push(
        [Math.round(performance.now()), event, it.target.id || "", String(it.detail?.data || "").slice(0, 200)].join(" ")));
"""


@dataclass
class Browser:
    """A browser's pages, and what went wrong in them."""

    site: Site
    new_page: Any
    wrong: list[str] = field(default_factory=list)
    pages: list[Page] = field(default_factory=list)

    def page(self, size: str = "wide", scheme: str = "light") -> Page:
        made: Page = self.new_page(size, scheme)
        made.add_init_script(HEARD)
        self.pages.append(made)
        made.on("console", self._heard)
        made.on("pageerror", lambda error: self.wrong.append(f"error {error}"))
        made.on("request", self._asked)
        return made

    def tell(self) -> None:
        """Print what the pages heard from the server, for whoever looks why a test failed."""
        for page in self.pages:
            heard = page.evaluate("window.heard")
            print(page.url, page.evaluate("document.visibilityState"), *heard or (), sep="\n  ")

    def _heard(self, message: Any) -> None:
        # What the database refuses comes with a 4xx, which a browser mentions too.
        if message.type == "error" and not re.search(r"status of 4\d\d", message.text):
            self.wrong.append(f"console: {message.text}")

    def _asked(self, request: Any) -> None:
        if not request.url.startswith((self.site.url, "data:")):
            self.wrong.append(f"another host: {request.url}")


@contextmanager
def running_chromium() -> Iterator[Any]:
    """A browser for many tests: it takes a second of computing to start."""
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    need(program, "Chromium (apt-get install chromium)")
    with sync_playwright() as playwright:
        expect.set_options(timeout=PATIENCE)
        chromium = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@contextmanager
def logged_in(site: Site, chromium: Any) -> Iterator[Browser]:
    """A browser that has followed the sandbox's link once; all its pages share the login alone."""

    def new_page(size: str, scheme: str) -> Page:
        context = chromium.new_context(
            viewport=SIZES[size], color_scheme=scheme, base_url=site.url, storage_state=site.login
        )
        context.set_default_timeout(PATIENCE)
        page: Page = context.new_page()
        return page

    try:
        if site.login is None:
            first = new_page("wide", "light")
            first.goto(site.link)
            first.get_by_role("button", name="Log in").click()
            first.wait_for_url("**/")
            site.login = first.context.storage_state()
        made = Browser(site, new_page)
        yield made
        made.tell()
    finally:
        for context in chromium.contexts:
            context.close()


def violations(page: Page, *, colours_alone: bool = False) -> list[str]:
    """What axe finds on a page, by all of its rules or by those of colours."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE.read_text())
    # What passed is not described: that takes three times the checks' own time.
    options: dict[str, Any] = {"resultTypes": ["violations"]}
    if colours_alone:
        options["runOnly"] = {"type": "tag", "values": ["cat.color"]}
        # A rule that is off without a choice of tags, for level AAA.
        options["rules"] = {"color-contrast-enhanced": {"enabled": False}}
    found = page.evaluate(
        "(options) => axe.run(options).then((results) => results.violations)", options
    )
    return [f"{one['id']}: {[node['html'][:150] for node in one['nodes'][:2]]}" for one in found]
