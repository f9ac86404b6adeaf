// One object, whole: its facts, what belongs to it, and what can be done with it.

import { el } from "./dom.js";
import { badge, link, plainly, pretty, when, wholeTime } from "./format.js";
import { settingsText } from "./lists.js";

const TITLES = {
  payment: (one) => one.money, customer: (one) => one.name || one.email || one.id, event: (one) => one.type,
  delivery: (one) => one.event_type, dispute: (one) => `Dispute over ${one.money}`, payout: (one) => `Payout of ${one.money}`,
  webhook_endpoint: (one) => one.url, payment_method: (one) => `${one.card.brand} •••• ${one.card.last4}`, request: (one) => `${one.method} ${one.path}`, token: (one) => one.id,
};
const VERBS = { pass: "Approve at the bank", refuse: "Decline at the bank", capture: "Capture", cancel: "Cancel", refund: "Refund", dispute: "Open dispute", win: "Dispute won", lose: "Dispute lost" };
const DRAWN_ELSEWHERE = new Set(["object", "attempts", "request", "response", "data", "metadata", "account", "mode", "next_action", "money", "status", "state", "refundable", "amounts", "currency"]);

export function details(detail, now) {
  if (!detail) return [head("This is gone", null), el("p", {}, "The sandbox was emptied, or it was deleted.")];
  const { kind, object } = detail;
  return [
    head(TITLES[kind]?.(object) ?? object.id, badge(object.state)),
    buttons(kind, detail),
    facts(kind, detail, now),
    ...bodies(kind, object),
    ...(kind === "delivery" ? attempts(object, now) : []),
    ...related(detail, now),
    kind === "request" ? null : block("As the API shows it", json(object)),
  ].filter(Boolean);
}

function head(title, status) {
  return el("header", { class: "detail-head" },
    el("button", { type: "button", class: "plain back", "data-do": "close-detail" }, "‹ Back"),
    el("h2", { id: "detail-title", tabindex: "-1" }, title), status,
    el("button", { type: "button", class: "plain close", "data-do": "close-detail", "aria-label": "Close details" }, "Close"));
}

function button(text, doing, data = {}, style = null) {
  const attributes = Object.fromEntries(Object.entries(data).map(([name, value]) => [`data-${name}`, value]));
  return el("button", { type: "button", "data-do": doing, class: style, ...attributes }, text);
}

function buttons(kind, { object, actions = [], secret }) {
  const verbs = actions.flatMap((verb) => (verb === "challenge" ? ["pass", "refuse"] : [verb]));
  const found = verbs.map((verb) => button(VERBS[verb], verb, {
    id: object.id, account: object.account, mode: object.mode, currency: object.currency,
    whole: verb === "refund" ? object.refundable : object.money,
  }));
  if (kind === "payment" && object.amount_received) found.push(button("Pay out balance", "payout", { account: object.account, mode: object.mode }));
  if (kind === "delivery") found.push(button("Resend", "resend", { id: object.id }, "primary"));
  if (["delivery", "event", "request"].includes(kind)) found.push(button("Copy as pytest", "copy", { id: object.id, form: "py" }));
  if (["delivery", "request"].includes(kind)) found.push(button("Copy as curl", "copy", { id: object.id, form: "sh" }));
  if (secret) {
    found.push(button("Copy signing secret", "copy-text", { text: secret }));
    found.push(button("Copy settings", "copy-text", { text: settingsText(shopSettings(object, secret)) }));
  }
  if (kind === "webhook_endpoint") found.push(button("Delete", "delete-endpoint", { id: object.id }, "danger"));
  return found.length ? el("div", { class: "buttons" }, ...found) : null;
}

function shopSettings({ account, mode }, secret) {
  return {
    PAYSAFER_API_BASE: `${window.location.origin}/v1`,
    PAYSAFER_SECRET_KEY: `sk_${mode}_${account}`,
    PAYSAFER_PUBLISHABLE_KEY: `pk_${mode}_${account}`,
    PAYSAFER_WEBHOOK_SECRET: secret,
  };
}

function facts(kind, { object, secret }, now) {
  const rows = Object.entries(object)
    .filter(([name, value]) => !DRAWN_ELSEWHERE.has(name) && value !== null && value !== "" && value !== false)
    .map(([name, value]) => [name.replaceAll("_", " "), object.amounts?.[name] ?? fact(name, value, now)]);
  if (object.account) rows.push(["account", `${object.account} (${object.mode})`]);
  if (secret) rows.push(["signing secret", el("code", {}, secret)]);
  const given = Object.entries(object.metadata ?? {}).map(([name, text]) => [name, text]);
  return el("dl", { class: "facts" }, ...[...rows, ...given].flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));
}

function fact(name, value, now) {
  if (["created", "at", "next_attempt_at"].includes(name)) return [wholeTime(value), " (", when(value, now), ")"];
  if (value?.card) return `${value.card.brand} •••• ${value.card.last4}, expires ${value.card.exp_month}/${value.card.exp_year}`;
  if (name === "card") return `${value.brand} •••• ${value.last4}, expires ${value.exp_month}/${value.exp_year}`;
  if (String(value).startsWith("pm_card_")) return el("code", {}, value);
  if (/^(pay|cus|evt|dlv|dp|po|we|pm)_/.test(value)) return name === "id" ? el("code", {}, value) : link(value);
  if (Array.isArray(value)) return value.join(", ");
  return typeof value === "object" ? el("code", {}, JSON.stringify(value)) : String(value);
}

function block(title, ...content) {
  return el("section", { class: "block" }, el("h3", {}, title), ...content);
}

const json = (value) => code(typeof value === "string" ? pretty(value) : JSON.stringify(value, null, 2));
const code = (text) => el("pre", { tabindex: "0" }, text || "(empty)");

function headers(found) {
  const lines = Object.entries(found).map(([name, value]) => `${name}: ${value}`);
  return el("details", {}, el("summary", {}, `${lines.length} headers`), el("div", { class: "block" }, code(lines.join("\n"))));
}

function bodies(kind, object) {
  if (kind !== "request") return [];
  return [
    block("Request", json(object.request.body), headers(object.request.headers)),
    block("Answer", json(object.response.body), headers(object.response.headers)),
  ];
}

function attempts(delivery, now) {
  const found = delivery.attempts.map((one, place) =>
    el("details", { "data-key": String(place), open: place === delivery.attempts.length - 1 },
      el("summary", {}, `Attempt ${place + 1}`, badge(one.status_code ? String(one.status_code) : "no answer"), one.status_code ? null : plainly(one.error), when(one.at, now)),
      el("div", { class: "block" },
        el("h3", {}, "Request"), json(one.request.body), headers(one.request.headers),
        el("h3", {}, "Answer"), one.status_code ? [json(one.response.body), headers(one.response.headers)] : code(one.error))));
  const next = delivery.status === "pending" && delivery.next_attempt_at
    ? el("p", { class: "soft" }, "Next attempt ", when(delivery.next_attempt_at, now), ".") : null;
  return [block("Attempts", ...found, next)];
}

const RELATED = {
  events: ["Events", (one) => [link(one.id, one.type)]],
  deliveries: ["Deliveries", (one) => [link(one.id, one.event_type), badge(one.state)]],
  disputes: ["Disputes", (one) => [link(one.id, one.money), badge(one.state)]],
  cards: ["Saved cards", (one) => [link(one.id, `${one.card.brand} •••• ${one.card.last4}`)]],
  payments: ["Payments", (one) => [link(one.id, one.money), badge(one.state)]],
  requests: ["Requests", (one) => [link(one.id, `${one.method} ${one.path}`), badge(one.state)]],
};

function related(detail, now) {
  return Object.entries(RELATED)
    .filter(([name]) => detail[name]?.length)
    .map(([name, [title, cells]]) =>
      block(title, el("div", { class: "sheet" }, el("table", {}, el("tbody", {}, ...[...detail[name]].reverse().map((one) => {
        const [first, second = ""] = cells(one);
        return el("tr", { "data-key": one.id }, el("td", { class: "main" }, first), el("td", {}, second), el("td", { class: "when" }, when(one.created ?? one.at, now)));
      }))))));
}
