// Write times, statuses and ids the way people read them.

import { el } from "./dom.js";

const TONES = {
  good: ["succeeded", "delivered", "paid", "enabled", "won"],
  bad: ["failed", "lost", "no answer", "disputed"],
  wait: ["pending", "requires action", "requires confirmation", "requires payment method", "open", "retrying"],
  calm: ["requires capture", "processing", "refunded", "partly refunded"],
};

// The server names the state of a row, in one word for the whole page; here it gets its colour.
export function badge(state) {
  if (!state) return "";
  const tone = Object.keys(TONES).find((name) => TONES[name].includes(state)) ?? httpTone(state);
  return el("span", { class: `badge ${tone}` }, state);
}

function httpTone(state) {
  if (!/^[1-5][0-9][0-9]$/.test(state)) return "";
  return state < "300" ? "good" : state < "400" ? "wait" : "bad";
}

// The page is English whatever the browser's language: another script in it would be garbled.
const WHOLE = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });
const STEPS = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];

export function wholeTime(seconds) {
  return WHOLE.format(new Date(seconds * 1000));
}

export function distance(seconds) {
  const size = Math.abs(seconds);
  if (size < 1) return "now";
  const place = STEPS.findIndex(([length]) => size >= length);
  const [length, unit] = STEPS[place];
  const rest = STEPS[place + 1];
  const small = rest && Math.floor((size % length) / rest[0]);
  const text = `${Math.floor(size / length)} ${unit}` + (small && length >= 3600 ? ` ${small} ${rest[1]}` : "");
  return seconds > 0 ? `in ${text}` : `${text} ago`;
}

export function when(seconds, now) {
  if (!seconds) return "";
  return el("time", { datetime: new Date(seconds * 1000).toISOString(), title: wholeTime(seconds) }, distance(seconds - now));
}

export function link(id, text = id, kind = kindOf(id)) {
  if (!id) return "";
  return el("a", { href: `#/${kind}/${id}`, class: text === id ? "mono" : null }, text);
}

const PREFIXES = { pay: "payment", cus: "customer", evt: "event", dlv: "delivery", dp: "dispute", po: "payout", we: "webhook_endpoint", pm: "payment_method", req: "request" };

export function kindOf(id) {
  return PREFIXES[String(id).split("_")[0]] ?? "payment";
}

// "ConnectionRefusedError: [Errno 111] Connection refused" says it twice.
export function plainly(error) {
  return error?.replace(/^\w+Error: (\[Errno -?\d+\] )?/, "");
}

export function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
