// One table per kind of object: what its rows say.

import { el } from "./dom.js";
import { badge, link, plainly, when } from "./format.js";

const sub = (text, style = "") => (text ? el("span", { class: `sub ${style}` }, text) : null);

function main(row, title, kind, now, about) {
  return el("td", { class: "main" },
    el("div", { class: "line" }, link(row.id, title, kind), sub(about), sub(row.id, "mono"), el("span", { class: "sub phone" }, when(moment(row), now))));
}

const cell = (...content) => el("td", {}, ...content);
const extra = (...content) => el("td", { class: "extra" }, ...content);
const time = (seconds, now) => el("td", { class: "when" }, when(seconds, now));
// Of a delivery: when it was delivered, or is tried next.
const moment = (row) => row.next_attempt_at ?? row.attempts?.at(-1)?.at ?? row.created ?? row.at;

const TABLES = {
  payment: {
    heads: ["Payment", "Status", "Customer", "Created"],
    row: (row, now) => [
      main(row, row.money, "payment", now, row.description),
      cell(badge(row.state)),
      extra(link(row.customer)),
      time(row.created, now),
    ],
  },
  customer: {
    heads: ["Customer", "E-mail", "Account", "Created"],
    row: (row, now) => [
      main(row, row.name || row.email || row.id, "customer", now, null),
      cell(row.email ?? ""),
      extra(row.account),
      time(row.created, now),
    ],
  },
  payment_method: {
    heads: ["Saved card", "Expires", "Customer", "Saved"],
    row: (row, now) => [
      main(row, `${row.card.brand} •••• ${row.card.last4}`, "payment_method", now, null),
      cell(`${String(row.card.exp_month).padStart(2, "0")}/${row.card.exp_year}`),
      extra(link(row.customer)),
      time(row.created, now),
    ],
  },
  event: {
    heads: ["Event", "About", "Account", "Created"],
    row: (row, now) => [
      main(row, row.type, "event", now, null),
      cell(link(row.data.id)),
      extra(row.account),
      time(row.created, now),
    ],
  },
  delivery: {
    heads: ["Delivery", "Status", "Endpoint", "Last or next attempt"],
    row: (row, now) => [
      main(row, row.event_type, "delivery", now, lastOutcome(row)),
      cell(badge(row.state)),
      extra(row.url),
      time(moment(row), now),
    ],
  },
  dispute: {
    heads: ["Dispute", "Status", "Payment", "Opened"],
    row: (row, now) => [
      main(row, row.money, "dispute", now, row.reason.replaceAll("_", " ")),
      cell(badge(row.state)),
      extra(link(row.payment)),
      time(row.created, now),
    ],
  },
  payout: {
    heads: ["Payout", "Status", "Account", "Created"],
    row: (row, now) => [
      main(row, row.money, "payout", now, row.failure_reason),
      cell(badge(row.state)),
      extra(row.account),
      time(row.created, now),
    ],
  },
  webhook_endpoint: {
    heads: ["Endpoint", "Status", "Events", "Created"],
    row: (row, now) => [
      main(row, row.url, "webhook_endpoint", now, `account ${row.account}`),
      cell(badge(row.state)),
      extra(row.enabled_events.join(", ")),
      time(row.created, now),
    ],
  },
  request: {
    heads: ["Request", "Answer", "Idempotency key", "Took", "At"],
    row: (row, now) => [
      main(row, `${row.method} ${row.path}`, "request", now, row.account && `account ${row.account}`),
      cell(badge(row.state), " ", sub([row.error, row.fault && `fault: ${row.fault}`, row.replayed && "replayed"].filter(Boolean).join(", "))),
      extra(el("span", { class: "mono" }, row.idempotency_key ?? "")),
      el("td", { class: "extra number" }, row.milliseconds === null ? "" : `${row.milliseconds || "< 1"} ms`),
      time(row.at, now),
    ],
  },
};

function lastOutcome(row) {
  const last = row.attempts.at(-1);
  return last && (plainly(last.error) || `answered ${last.status_code}`);
}

const HINTS = {
  payment: "No payments yet. Point your shop at this sandbox with these settings (any test key will do), add its webhook endpoint for a signing secret, or fill the sandbox with a small shop's history.",
  payment_method: "No saved cards yet. A payment with a customer, a token and save_payment_method saves its card.",
  webhook_endpoint: "No endpoints yet. Add the address of your shop's webhook route, and its events are delivered there.",
  delivery: "No deliveries yet. Add an endpoint, then trigger an event.",
  request: "No requests yet. Every call of the API shows here, with its answer.",
};

const CLASSES = { Took: "extra number", At: "when", Created: "when", Opened: "when", Saved: "when", "Last or next attempt": "when" };
const PLACES = ["main", null, "extra"];

// isFresh tells of an id whether its row has just come.
export function table(list, chosen, now, isNarrowed, isFresh, shop) {
  const { heads, row: cells } = TABLES[list.kind];
  if (!list.rows.length) return empty(list.kind, isNarrowed, shop);
  const head = heads.map((text, place) => el("th", { scope: "col", class: CLASSES[text] ?? PLACES[place] }, text));
  const rows = list.rows.map((row) => {
    const isChosen = row.id === chosen;
    const style = [isFresh(row.id) && "fresh", isChosen && "chosen"].filter(Boolean).join(" ");
    const shown = el("tr", { "data-key": row.id, class: style || null }, ...cells(row, now));
    if (isChosen) shown.querySelector("a").setAttribute("aria-current", "true");
    return shown;
  });
  return [
    el("div", { class: "sheet", "data-key": list.kind },
      el("table", {}, el("thead", {}, el("tr", {}, ...head)), el("tbody", {}, ...rows))),
    list.pages > 1 ? pager(list) : null,
  ];
}

const COUNT = new Intl.NumberFormat("en-GB");

function pager({ page, pages, first, rows, total }) {
  const turn = (to, text) => el("button", { type: "button", "data-do": "page", "data-page": String(to), disabled: to < 1 || to > pages }, text);
  return el("nav", { class: "pager buttons", "aria-label": "Pages", "data-key": "pager" },
    turn(1, "Newest"), turn(page - 1, "Newer"),
    el("span", { class: "soft" }, `${COUNT.format(first)} to ${COUNT.format(first + rows.length - 1)} of ${COUNT.format(total)}`),
    turn(page + 1, "Older"), turn(pages, "Oldest"));
}

const FILTERS = { status: "status", endpoint: "endpoint", account: "account", mode: "mode" };

// A choice of one is none, unless it is chosen.
export function filters(list, chosen) {
  return Object.entries(FILTERS)
    .filter(([name]) => list.choices[name].length > 1 || chosen[name])
    .map(([name, label]) => {
      const text = name === "status" && list.kind === "event" ? "type" : label;
      const values = new Set([...list.choices[name], ...(chosen[name] ? [chosen[name]] : [])]);
      return el("label", { class: "filter", "data-key": name },
        el("span", { class: "unseen" }, `Filter by ${text}`),
        el("select", { name, "data-filter": name },
          el("option", { value: "" }, `Any ${text}`),
          ...[...values].map((value) => el("option", { value, selected: chosen[name] === value }, value))));
    });
}

export function settingsText(shop) {
  return Object.entries(shop).map(([name, value]) => `export ${name}=${value}`).join("\n");
}

function settings(shop) {
  const text = settingsText(shop);
  return [
    el("pre", { tabindex: "0", class: "settings" }, text),
    el("div", { class: "buttons" },
      el("button", { type: "button", "data-do": "copy-text", "data-text": text }, "Copy settings"),
      el("button", { type: "button", "data-do": "open", "data-dialog": "endpoint-dialog" }, "Add endpoint"),
      el("button", { type: "button", "data-do": "seed" }, "Fill with a small shop's history")),
  ];
}

function empty(kind, isNarrowed, shop) {
  if (isNarrowed) return el("div", { class: "sheet empty" }, el("p", {}, "No matches."));
  if (kind === "payment") return el("div", { class: "sheet empty", "data-key": kind }, el("p", {}, HINTS.payment), ...settings(shop));
  const shows = kind === "webhook_endpoint"
    ? el("button", { type: "button", "data-do": "open", "data-dialog": "endpoint-dialog" }, "Add endpoint")
    : el("button", { type: "button", "data-do": "seed" }, "Fill with a small shop's history");
  return el("div", { class: "sheet empty", "data-key": kind }, el("p", {}, HINTS[kind] ?? "None yet."), el("div", { class: "buttons" }, shows));
}
