"use strict";
// What the pages do beyond their forms: live parts, relative times, selection, shortcuts, charts.
(() => {
  const UNITS = [["d", 86400], ["h", 3600], ["m", 60], ["s", 1]];

  // The same words as workers/text/short.py.
  function span(seconds) {
    if (seconds < 1) return "0s";
    const at = UNITS.findIndex(([, size]) => seconds >= size);
    const [unit, size] = UNITS[at];
    const whole = Math.floor(seconds / size);
    const next = UNITS[at + 1];
    const rest = next && whole < 10 && unit !== "m" ? Math.floor((seconds - whole * size) / next[1]) : 0;
    return rest ? `${whole}${unit} ${rest}${next[0]}` : `${whole}${unit}`;
  }

  // The server's clock counts: its difference from this one is measured once a page.
  const sent = document.querySelector("meta[name=now]");
  const ahead = sent ? Date.now() - Number(sent.content) * 1000 - performance.now() : 0;

  function tick(root) {
    const now = Date.now() - ahead;
    for (const time of root.querySelectorAll("time[data-rel]")) {
      const seconds = (now - Date.parse(time.dateTime)) / 1000;
      const plain = time.dataset.rel === "plain";
      let words;
      if (plain) words = span(Math.abs(seconds));
      else if (seconds >= 0) words = seconds < 1 ? "now" : `${span(seconds)} ago`;
      else words = `in ${span(-seconds)}`;
      if (time.textContent !== words) time.textContent = words;
    }
  }
  setInterval(() => { if (!document.hidden) tick(document); }, 1000);

  // Live parts: <div id=… data-live="schedule:discovery run:*" hx-get=… hx-trigger="refresh">.
  // A part is fetched again at most each second, each 5 s while more than 20 keys change at once; what people
  // edited is shown sooner, whatever else changes.
  const FEW = 20, EDITED = 300, CHANGED = 1000, BURST = 5000;
  const due = new Map();
  const fetched = new Map();
  let open = false;

  function matches(part, keys) {
    return part.dataset.live.split(" ").some((wanted) => keys.some((key) =>
      key === "*" || key === wanted || (wanted.endsWith("*") && key.startsWith(wanted.slice(0, -1))) || (key.endsWith("*") && wanted.startsWith(key.slice(0, -1)))));
  }
  function editing(part) {
    const focus = document.activeElement;
    return focus && part.contains(focus) && focus.matches("input:not([type=checkbox]), textarea, select");
  }
  function refresh(id) {
    const part = document.getElementById(id);
    if (!part || document.hidden) return;
    if (editing(part)) return want(part, CHANGED);
    fetched.set(id, Date.now());
    htmx.trigger(part, "refresh");
  }
  // Fetch a part once `gap` has passed since it was fetched; the soonest of several wishes holds.
  function want(part, gap) {
    const now = Date.now(), known = due.get(part.id);
    const at = Math.max(editing(part) ? now + gap : now, (fetched.get(part.id) || 0) + gap);
    if (known && known.at <= at) return;
    if (known) clearTimeout(known.timer);
    due.set(part.id, { at, timer: setTimeout(() => { due.delete(part.id); refresh(part.id); }, at - now) });
  }
  function wantAll(gap, keys) {
    for (const part of document.querySelectorAll("[data-live]")) if (!keys || matches(part, keys)) want(part, gap);
  }
  function live(yes) {
    open = yes;
    const word = document.getElementById("cut");
    if (word) word.hidden = yes || document.hidden;
  }
  function told(event, soon) {
    const keys = JSON.parse(event.detail.data);
    wantAll(keys.length <= FEW ? soon : soon === EDITED ? CHANGED : BURST, keys);
  }
  document.addEventListener("changed", (event) => told(event, CHANGED));
  document.addEventListener("edited", (event) => told(event, EDITED));
  document.addEventListener("strip", (event) => {
    const strip = document.getElementById("strip-items");
    const fresh = new DOMParser().parseFromString(event.detail.data, "text/html").getElementById("strip-items");
    if (strip && fresh) { strip.replaceChildren(...fresh.childNodes); tick(strip); }
  });
  document.addEventListener("htmx:sse:after:connection", (event) => live(event.detail.connection.status === 200));
  document.addEventListener("htmx:sse:error", (event) => { live(false); if (event.detail.status === 401) loggedOut(); });
  document.addEventListener("htmx:sse:close", () => live(false));
  document.addEventListener("visibilitychange", () => { if (!document.hidden) { tick(document); wantAll(CHANGED); } });
  setInterval(() => { if (!open && !document.hidden) wantAll(CHANGED); }, 30000);

  // A login that is over asks for another: in another tab where something was typed here, which would be lost.
  let typed = false;
  document.addEventListener("input", (event) => { typed ||= event.target.form?.method === "post"; });
  function say(id) { document.getElementById(id)?.removeAttribute("hidden"); }
  function loggedOut() {
    if (typed) say("over");
    else location.assign(`/login?next=${encodeURIComponent(location.pathname + location.search)}`);
  }
  document.addEventListener("htmx:response:error", (event) => {
    const { response, sourceElement: part } = event.detail.ctx;
    if (response.status === 401) loggedOut();
    if (response.status === 404 && part.dataset.live) say("gone");
  });
  // What is searched while it is typed stands in the address, as what was sent.
  function place() {
    const to = document.querySelector("input[type=search][hx-target='#live']") && document.getElementById("live").getAttribute("hx-get");
    if (to && to !== location.pathname + location.search) history.replaceState(null, "", to);
  }

  // Selection: how many rows are chosen, and all of the page at once.
  function count(form) {
    const boxes = [...form.querySelectorAll("input[name=name][type=checkbox]")];
    const chosen = boxes.filter((box) => box.checked).length;
    for (const word of form.querySelectorAll("[data-chosen]")) word.textContent = chosen ? `${chosen} selected` : word.dataset.chosen;
    const all = form.querySelector("[data-all]");
    if (all) { all.checked = chosen > 0 && chosen === boxes.length; all.indeterminate = chosen > 0 && chosen < boxes.length; }
  }
  document.addEventListener("change", (event) => {
    const form = event.target.closest && event.target.closest("form[data-select]");
    if (form) {
      if (event.target.matches("[data-all]")) for (const box of form.querySelectorAll("input[name=name][type=checkbox]")) box.checked = event.target.checked;
      count(form);
    }
    if (event.target.matches("select[data-go]")) event.target.form.requestSubmit();
    show(event.target.form);
  });

  // Fields that belong to one choice: <div data-if="kind=every">.
  function show(form) {
    if (!form) return;
    for (const part of form.querySelectorAll("[data-if]")) {
      const [name, value] = part.dataset.if.split("=");
      const field = form.elements[name];
      part.hidden = Boolean(field) && !value.split(",").includes(field.value);
    }
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, textarea, select")) return;
    if (event.key === "/") {
      const search = document.querySelector("input[type=search]");
      if (search) { event.preventDefault(); search.focus(); search.select(); }
    } else if (event.key === "?") {
      document.getElementById("help")?.showModal();
    }
  });

  // Charts: <div data-chart="/…json">: {x: [unix seconds], series: [{label, values}], links: [what a time's values lead to]}.
  const COLOURS = ["--accent", "--part", "--wait", "--fail", "--ok"];
  async function chart(part) {
    if (part.dataset.drawn) return;
    part.dataset.drawn = "1";
    const answer = await fetch(part.dataset.chart, { headers: { Accept: "application/json" } });
    if (!answer.ok) return;
    const data = await answer.json();
    const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
    const axis = { stroke: colour("--soft"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line"), width: 1 } };
    // Times in UTC, as on all pages; numbers with as many digits as tell two of them apart.
    const stamp = (at, from, to) => new Date(at * 1000).toISOString().slice(from, to).replace("T", " ");
    const times = (_, splits, __, ___, step) => splits.map((at) => step >= 86400 ? stamp(at, 0, 10) : stamp(at, 11, step < 60 ? 19 : 16));
    const numbers = (_, splits, __, ___, step) => splits.map((value) =>
      value.toLocaleString("en", { maximumFractionDigits: Math.min(12, Math.max(0, Math.ceil(-Math.log10(step)))) }));
    const when = { label: "Time, UTC", value: (_, at) => at == null ? "–" : stamp(at, 0, 19) };
    const series = data.series.map((one, index) => ({
      label: one.label, stroke: colour(COLOURS[index % COLOURS.length]), width: 1.5, spanGaps: one.gaps !== true, points: { show: data.x.length < 60 },
    }));
    part.replaceChildren();
    const plot = new uPlot({ width: part.clientWidth, height: 220, series: [when, ...series], axes: [{ ...axis, space: 80, values: times }, { ...axis, size: 70, values: numbers }],
      scales: { x: { time: true } }, tzDate: (at) => uPlot.tzDate(new Date(at * 1000), "Etc/UTC") },
      [data.x, ...data.series.map((one) => one.values)], part);
    if (data.links.length) part.classList.add("leads");
    plot.over.addEventListener("click", () => {
      const to = data.links[plot.cursor.idx];
      if (to) location.href = to;
    });
    new ResizeObserver(() => plot.setSize({ width: part.clientWidth, height: 220 })).observe(part);
  }

  // Narrow windows show the heading of its column before each cell (app.css). What is no table to the layout stays
  // one to a screen reader.
  const ROLES = [["thead, tbody", "rowgroup"], ["tr", "row"], ["th", "columnheader"], ["td", "cell"]];
  function stack(table) {
    const labels = [...table.tHead.rows[0].cells].map((cell) => cell.querySelector(".sr, input") ? "" : cell.textContent.replace(/ [↓↑]$/, ""));
    table.classList.add("stack");
    table.setAttribute("role", "table");
    for (const [tags, role] of ROLES) for (const part of table.querySelectorAll(tags)) part.setAttribute("role", role);
    for (const row of table.tBodies[0].rows) {
      for (const cell of row.cells) if (cell.colSpan === 1 && labels[cell.cellIndex]) cell.dataset.label = labels[cell.cellIndex];
    }
  }

  // What a person has opened or closed stays so when the part around it is fetched again.
  const turned = new Map();
  const nameOf = (details) => `${details.closest("[id]")?.id} ${details.querySelector("summary").textContent}`;
  document.addEventListener("click", (event) => {
    const details = event.target.closest("summary")?.parentElement;
    if (details) turned.set(nameOf(details), !details.open);
  });
  function reopen() {
    for (const details of document.querySelectorAll("details")) {
      const open = turned.get(nameOf(details));
      if (open !== undefined && details.open !== open) details.open = open;
    }
  }

  function prepare(root) {
    tick(root.querySelectorAll ? root : document);
    for (const head of document.querySelectorAll("table > thead:not(.sr)")) stack(head.parentElement);
    for (const part of document.querySelectorAll("[data-chart]")) chart(part);
    for (const form of document.querySelectorAll("form[data-select]")) count(form);
    for (const form of document.querySelectorAll("form")) if (form.querySelector("[data-if]")) show(form);
  }
  document.addEventListener("htmx:after:swap", () => { reopen(); prepare(document); place(); });
  document.addEventListener("DOMContentLoaded", () => prepare(document));
})();
