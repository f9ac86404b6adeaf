// One object, whole: its facts, what belongs to it, and what can be done with it.

import { el } from "./dom.js";
import { badge, httpBadge, link, paymentBadge, plainly, pretty, when, wholeTime } from "./format.js";

const TITLES = {
  payment: (one) => one.money, customer: (one) => one.name || one.email || one.id, event: (one) => one.type,
  delivery: (one) => one.event_type, dispute: (one) => `Dispute over ${one.money}`, payout: (one) => `Payout of ${one.money}`,
  webhook_endpoint: (one) => one.url, request: (one) => `${one.method} ${one.path}`, token: (one) => one.id,
};
const VERBS = { pass: "Pass authentication", refuse: "Refuse authentication", capture: "Capture", cancel: "Cancel", refund: "Refund", dispute: "Open dispute", win: "Dispute won", lose: "Dispute lost" };
const DRAWN_ELSEWHERE = new Set(["object", "attempts", "request", "response", "data", "metadata", "account", "mode", "next_action", "money", "status"]);

export function details(detail, now) {
  if (!detail) return [head("This is gone", null), el("p", {}, "The sandbox was emptied, or it was deleted.")];
  const { kind, object } = detail;
  return [
    head(TITLES[kind]?.(object) ?? object.id, state(kind, object)),
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

function state(kind, object) {
  if (kind === "payment") return paymentBadge(object);
  if (kind === "request") return httpBadge(object.status);
  return object.status ? badge(object.outcome ?? object.status) : null;
}

function button(text, doing, data = {}, style = null) {
  const attributes = Object.fromEntries(Object.entries(data).map(([name, value]) => [`data-${name}`, value]));
  return el("button", { type: "button", "data-do": doing, class: style, ...attributes }, text);
}

function buttons(kind, { object, actions = [], secret }) {
  const verbs = actions.flatMap((verb) => (verb === "challenge" ? ["pass", "refuse"] : [verb]));
  const found = verbs.map((verb) => button(VERBS[verb], verb, { id: object.id, account: object.account, mode: object.mode }));
  if (kind === "payment" && object.amount_received) found.push(button("Pay out balance", "payout", { account: object.account, mode: object.mode }));
  if (kind === "delivery") found.push(button("Resend", "resend", { id: object.id }, "primary"));
  if (["delivery", "event", "request"].includes(kind)) found.push(button("Copy as pytest", "copy", { id: object.id, form: "py" }));
  if (["delivery", "request"].includes(kind)) found.push(button("Copy as curl", "copy", { id: object.id, form: "sh" }));
  if (secret) found.push(button("Copy signing secret", "copy-text", { text: secret }));
  if (kind === "webhook_endpoint") found.push(button("Delete", "delete-endpoint", { id: object.id }, "danger"));
  return found.length ? el("div", { class: "buttons" }, ...found) : null;
}

function facts(kind, { object, secret }, now) {
  const rows = Object.entries(object)
    .filter(([name, value]) => !DRAWN_ELSEWHERE.has(name) && value !== null && value !== "" && value !== false)
    .map(([name, value]) => [name.replaceAll("_", " "), fact(name, value, now)]);
  if (object.account) rows.push(["account", `${object.account} (${object.mode})`]);
  if (secret) rows.push(["signing secret", el("code", {}, secret)]);
  const given = Object.entries(object.metadata ?? {}).map(([name, text]) => [name, text]);
  return el("dl", { class: "facts" }, ...[...rows, ...given].flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));
}

function fact(name, value, now) {
  if (["created", "at", "next_attempt_at"].includes(name)) return [wholeTime(value), " (", when(value, now), ")"];
  if (/^(pay|cus|evt|dlv|dp|po|we)_/.test(value)) return name === "id" ? el("code", {}, value) : link(value);
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
      el("summary", {}, `Attempt ${place + 1}`, one.status_code ? httpBadge(one.status_code) : badge("failed", plainly(one.error) ?? "no answer"), when(one.at, now)),
      el("div", { class: "block" },
        el("h3", {}, "Request"), json(one.request.body), headers(one.request.headers),
        el("h3", {}, "Answer"), one.status_code ? [json(one.response.body), headers(one.response.headers)] : code(one.error))));
  const next = delivery.status === "pending" && delivery.next_attempt_at
    ? el("p", { class: "soft" }, "Next attempt ", when(delivery.next_attempt_at, now), ".") : null;
  return [block("Attempts", ...found, next)];
}

const RELATED = {
  events: ["Events", (one) => [link(one.id, one.type)]],
  deliveries: ["Deliveries", (one) => [link(one.id, one.event_type), badge(one.status)]],
  disputes: ["Disputes", (one) => [link(one.id, one.money), badge(one.outcome ?? one.status)]],
  payments: ["Payments", (one) => [link(one.id, one.money), paymentBadge(one)]],
  requests: ["Requests", (one) => [link(one.id, `${one.method} ${one.path}`), httpBadge(one.status)]],
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
