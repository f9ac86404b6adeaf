// One table per kind of object: what its rows say.

import { el } from "./dom.js";
import { badge, httpBadge, link, paymentBadge, plainly, when } from "./format.js";

const sub = (text, style = "") => (text ? el("span", { class: `sub ${style}` }, text) : null);

function main(row, title, kind, now, about) {
  return el("td", { class: "main" },
    link(row.id, title, kind), sub(about), sub(row.id, "mono"), sub(when(row.next_attempt_at ?? row.created ?? row.at, now), "phone"));
}

const cell = (...content) => el("td", {}, ...content);
const extra = (...content) => el("td", { class: "extra" }, ...content);
const time = (seconds, now) => el("td", { class: "when" }, when(seconds, now));

function deliveryBadge(row) {
  if (row.status !== "pending") return badge(row.status);
  return row.attempts.length ? badge("retrying", `retrying, ${row.attempts.length} failed`) : badge("pending");
}

const TABLES = {
  payment: {
    heads: ["Payment", "Status", "Customer", "Created"],
    row: (row, now) => [
      main(row, row.money, "payment", now, row.description),
      cell(paymentBadge(row)),
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
    heads: ["Delivery", "Status", "Endpoint", "Next attempt"],
    row: (row, now) => [
      main(row, row.event_type, "delivery", now, lastOutcome(row)),
      cell(deliveryBadge(row)),
      extra(row.url),
      time(row.next_attempt_at, now),
    ],
  },
  dispute: {
    heads: ["Dispute", "Status", "Payment", "Opened"],
    row: (row, now) => [
      main(row, row.money, "dispute", now, row.reason.replaceAll("_", " ")),
      cell(badge(row.outcome ?? row.status)),
      extra(link(row.payment)),
      time(row.created, now),
    ],
  },
  payout: {
    heads: ["Payout", "Status", "Account", "Created"],
    row: (row, now) => [
      main(row, row.money, "payout", now, row.failure_reason),
      cell(badge(row.status)),
      extra(row.account),
      time(row.created, now),
    ],
  },
  webhook_endpoint: {
    heads: ["Endpoint", "Status", "Events", "Created"],
    row: (row, now) => [
      main(row, row.url, "webhook_endpoint", now, `account ${row.account}`),
      cell(badge(row.status)),
      extra(row.enabled_events.join(", ")),
      time(row.created, now),
    ],
  },
  request: {
    heads: ["Request", "Answer", "Idempotency key", "At"],
    row: (row, now) => [
      main(row, `${row.method} ${row.path}`, "request", now, row.account && `account ${row.account}`),
      cell(httpBadge(row.status), row.fault ? sub(row.fault) : "", row.replayed ? sub("replayed") : ""),
      extra(el("span", { class: "mono" }, row.idempotency_key ?? "")),
      time(row.at, now),
    ],
  },
};

function lastOutcome(row) {
  const last = row.attempts.at(-1);
  return last && (plainly(last.error) || `answered ${last.status_code}`);
}

const HINTS = {
  payment: "No payments yet. Point your shop at this sandbox with these settings (any test key will do), or fill it with a small shop's history.",
  webhook_endpoint: "No endpoints yet. Add the address of your shop's webhook route, and its events are delivered there.",
  delivery: "Nothing was delivered yet. Add an endpoint, then let something happen.",
  request: "No requests yet. Every call of the API shows here, with its answer.",
};

export function table(list, chosen, now, isSearch) {
  const { heads, row: cells } = TABLES[list.kind];
  if (!list.rows.length) return empty(list.kind, isSearch);
  const head = heads.map((text, place) => el("th", { scope: "col", class: ["main", null, "extra", "when"][place] }, text));
  const rows = list.rows.map((row) => {
    const isChosen = row.id === chosen;
    const shown = el("tr", { "data-key": row.id, class: isChosen ? "fresh chosen" : "fresh" }, ...cells(row, now));
    if (isChosen) shown.querySelector("a").setAttribute("aria-current", "true");
    return shown;
  });
  return el("div", { class: "sheet", "data-key": list.kind },
    el("table", {}, el("thead", {}, el("tr", {}, ...head)), el("tbody", {}, ...rows)),
    list.has_more ? el("p", { class: "more" }, `The ${list.rows.length} newest. Search to find others.`) : null);
}

function settings() {
  const text = [
    `export PAYSAFER_API_BASE=${window.location.origin}/v1`,
    "export PAYSAFER_SECRET_KEY=sk_test_acmeshop1",
    "export PAYSAFER_PUBLISHABLE_KEY=pk_test_acmeshop1",
  ].join("\n");
  return [
    el("pre", { tabindex: "0", class: "settings" }, text),
    el("div", { class: "buttons" },
      el("button", { type: "button", "data-do": "copy-text", "data-text": text }, "Copy settings"),
      el("button", { type: "button", "data-do": "open", "data-dialog": "endpoint-dialog" }, "Add endpoint"),
      el("button", { type: "button", "data-do": "seed" }, "Fill with a small shop's history")),
  ];
}

function empty(kind, isSearch) {
  if (isSearch) return el("div", { class: "sheet empty" }, el("p", {}, "Nothing here has that in it."));
  if (kind === "payment") return el("div", { class: "sheet empty", "data-key": kind }, el("p", {}, HINTS.payment), ...settings());
  const shows = kind === "webhook_endpoint"
    ? el("button", { type: "button", "data-do": "open", "data-dialog": "endpoint-dialog" }, "Add endpoint")
    : el("button", { type: "button", "data-do": "seed" }, "Fill with a small shop's history");
  return el("div", { class: "sheet empty", "data-key": kind }, el("p", {}, HINTS[kind] ?? "Nothing here yet."), el("div", { class: "buttons" }, shows));
}
