// The dashboard: asks the sandbox for its state, draws it, and passes clicks on.

import { buttons, forms } from "./actions.js";
import { feed } from "./api.js";
import { details } from "./details.js";
import * as dialogs from "./dialogs.js";
import { show } from "./dom.js";
import { distance, wholeTime } from "./format.js";
import { filters, settingsText, table } from "./lists.js";

const POLL_MILLISECONDS = 1200;
const STATUS_MILLISECONDS = 6000;
const FRESH_MILLISECONDS = 1600;
const find = (id) => document.getElementById(id);

let state = null;
let received = 0;
let statusTimer = 0;
let pollTimer = 0;
let polls = 0;
const narrowed = {}; // by kind: the chosen filters, and the page
const firstSeen = new Map(); // id of a row: when it came, 0 for what was there from the start
let seenList = "";

function place() {
  const [, kind = "payment", id = null] = window.location.hash.split("/");
  return { kind: document.querySelector(`[data-kind="${CSS.escape(kind)}"]`) ? kind : "payment", id };
}

function now() {
  return state ? state.clock.now + ((performance.now() - received) / 1000) * state.clock.rate : 0;
}

const narrowing = (kind) => (narrowed[kind] ??= { page: 1, filters: {} });

function noteRows(list) {
  const key = JSON.stringify([list.kind, find("search").value, narrowing(list.kind)]);
  const came = key === seenList ? performance.now() : 0;
  seenList = key;
  for (const row of list.rows) if (!firstSeen.has(row.id)) firstSeen.set(row.id, came);
}

function isFresh(id) {
  const came = firstSeen.get(id);
  return came > 0 && performance.now() - came < FRESH_MILLISECONDS;
}

async function refresh() {
  const turn = ++polls;
  window.clearTimeout(pollTimer);
  try {
    const { kind, id } = place();
    const fresh = await feed(kind, id, { q: find("search").value, page: narrowing(kind).page, ...narrowing(kind).filters });
    if (turn !== polls) return; // a later one is on its way
    if (fresh) {
      state = fresh;
      received = performance.now();
      narrowing(fresh.list.kind).page = fresh.list.page;
      noteRows(fresh.list);
    }
    draw();
    document.body.classList.remove("lost");
  } catch (error) {
    if (turn !== polls) return;
    tell(error instanceof TypeError ? "The sandbox doesn't answer. Is it still running?" : error.message);
  }
  pollTimer = window.setTimeout(refresh, POLL_MILLISECONDS);
}

function draw() {
  const { kind, id } = place();
  drawClock();
  drawNavigation(kind);
  if (state.list.kind === kind) {
    const { filters: chosen } = narrowing(kind);
    const isNarrowed = find("search").value !== "" || Object.values(chosen).some(Boolean);
    show(find("filters"), ...filters(state.list, chosen));
    show(find("rows"), table(state.list, id, now(), isNarrowed, isFresh, state.shop));
  }
  drawDetail(id);
  dialogs.showState(state);
  const armed = find("fault-count");
  armed.hidden = !state.faults.length;
  armed.textContent = state.faults.length;
}

function drawClock() {
  find("clock").textContent = wholeTime(now());
  find("clock").dateTime = new Date(now() * 1000).toISOString();
  const speed = state.clock.rate === 1 ? "" : state.clock.rate === 0 ? "standing still" : `${state.clock.rate}× speed`;
  const next = state.next_delivery ? `next delivery ${distance(state.next_delivery - now())}` : "no deliveries pending";
  find("clock-more").textContent = [speed, next].filter(Boolean).join(", ");
  find("next-retry").disabled = !state.next_delivery;
}

function drawNavigation(kind) {
  for (const link of document.querySelectorAll("[data-kind]")) {
    if (link.dataset.kind !== kind) link.removeAttribute("aria-current");
    else if (!link.hasAttribute("aria-current")) {
      link.setAttribute("aria-current", "page");
      link.scrollIntoView({ block: "nearest", inline: "nearest" });
    }
  }
  for (const count of document.querySelectorAll("[data-count]")) count.textContent = state.counts[count.dataset.count];
  const title = document.querySelector(`[data-kind="${kind}"]`).firstChild.textContent.trim();
  find("list-title").textContent = title;
  document.title = `${title} · PaySafer sandbox`;
  find("add-endpoint").hidden = kind !== "webhook_endpoint";
}

function drawDetail(id) {
  const panel = find("detail");
  panel.hidden = !id;
  document.querySelector("main").classList.toggle("has-detail", Boolean(id));
  if (!id) {
    panel.dataset.shown = "";
    return;
  }
  if (state.detail && state.detail.object.id !== id) return; // of the one before
  show(panel, ...details(state.detail, now()));
  if (panel.dataset.shown !== id) {
    panel.dataset.shown = id;
    panel.scrollTop = 0;
    find("detail-title").focus({ preventScroll: window.innerWidth >= 1200 });
  }
}

function closeDetail() {
  const { kind, id } = place();
  window.location.hash = `#/${kind}`;
  draw();
  document.querySelector(`tr[data-key="${CSS.escape(id)}"] a`)?.focus();
}

function tell(text) {
  find("status").textContent = text;
  window.clearTimeout(statusTimer);
  statusTimer = window.setTimeout(() => { find("status").textContent = ""; }, STATUS_MILLISECONDS);
}

async function carryOut(work, target) {
  target.disabled = true;
  try {
    tell((await work()) ?? "");
    await refresh();
    return true;
  } catch (error) {
    const problem = target.closest("form")?.querySelector(".problem");
    if (problem) problem.textContent = error.message;
    else tell(error.message);
    return false;
  } finally {
    target.disabled = false;
  }
}

// The whole row leads where its first link does; who selects text in it is not sent away.
function openRow(target) {
  if (target.closest("a, button") || window.getSelection().toString()) return;
  target.closest("tbody tr[data-key]")?.querySelector("td.main a")?.click();
}

document.addEventListener("click", (event) => {
  const target = event.target.closest("button[data-do]");
  if (!target) return openRow(event.target);
  const { do: doing, ...data } = target.dataset;
  if (doing === "open") dialogs.open(data.dialog, state);
  else if (doing === "page") turnTo(Number(data.page));
  else if (doing === "copy-settings") carryOut(() => buttons["copy-text"]({ text: settingsText(state.shop) }), target);
  else if (doing === "close") target.closest("dialog").close();
  else if (doing === "close-detail") closeDetail();
  else if (dialogs.asksAmount(doing)) dialogs.open("amount-dialog", state, { ...data, verb: doing });
  else carryOut(() => buttons[doing](data), target);
});

document.addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.target;
  const work = forms[form.dataset.do];
  if (!work) return;
  const fields = Object.fromEntries(new FormData(form));
  if (await carryOut(() => work(fields, form.dataset), form.querySelector("button.primary"))) form.closest("dialog").close();
});

document.addEventListener("keydown", (event) => {
  const isTyping = event.target.closest("input, textarea, select, dialog");
  if (event.key === "/" && !isTyping) {
    event.preventDefault();
    find("search").focus();
  }
  if (event.key === "Escape" && !event.target.closest("dialog") && place().id) closeDetail();
});

async function turnTo(page) {
  narrowing(place().kind).page = page;
  await refresh();
  find("list").scrollIntoView({ block: "start" });
}

function startOver() {
  narrowing(place().kind).page = 1;
  refresh();
}

document.addEventListener("change", (event) => {
  const name = event.target.dataset.filter;
  if (!name) return;
  narrowing(place().kind).filters[name] = event.target.value;
  startOver();
});

window.addEventListener("hashchange", refresh);
document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh(); });
find("search").addEventListener("input", startOver);
window.setInterval(() => { if (state) drawClock(); }, 1000);
refresh();
