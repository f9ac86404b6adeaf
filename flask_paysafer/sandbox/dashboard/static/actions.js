// What the buttons and forms do. Each returns what to tell the reader, or nothing.

import { copyOf, post, send } from "./api.js";

const given = (fields) => Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== "" && value !== undefined && !Number.isNaN(value)));
const number = (text) => (text === "" ? "" : Number(text));

async function toClipboard(text) {
  await navigator.clipboard.writeText(text);
}

export const buttons = {
  advance: async ({ seconds, to }) => {
    await post("clock/advance", to ? { to } : { seconds: Number(seconds) });
    return to ? "Moved to the next retry and made it." : "The clock was moved; what fell due was delivered.";
  },
  resend: async ({ id }) => {
    const delivery = await post(`deliveries/${id}/resend`);
    const last = delivery.attempts.at(-1);
    return `Sent again: ${last.error ?? `answered ${last.status_code}`}.`;
  },
  cancel: async ({ id }) => (await post(`dashboard/payments/${id}/cancel`), "Canceled."),
  pass: async ({ id, account, mode }) => (await post("trigger", { type: "payment.completed", payment: id, account, mode }), "Approved at the bank."),
  refuse: async ({ id, account, mode }) => (await post("trigger", { type: "payment.failed", payment: id, account, mode }), "Declined at the bank."),
  dispute: async ({ id, account, mode }) => (await post("trigger", { type: "dispute.created", payment: id, account, mode }), "The cardholder opened a dispute."),
  win: (data) => resolve(data, "won"),
  lose: (data) => resolve(data, "lost"),
  payout: async ({ account, mode }) => (await post("trigger", { type: "payout.completed", account, mode }), "Paid out."),
  copy: async ({ id, form }) => {
    await toClipboard(await copyOf(id, form));
    return form === "py" ? "Copied as a test." : "Copied as a command.";
  },
  "copy-text": async ({ text }) => (await toClipboard(text), "Copied."),
  seed: async () => {
    const made = await post("seed");
    return `Made a small shop's history in the account ${made.account}.`;
  },
  reset: async () => {
    if (!window.confirm("Empty the sandbox? All objects, events, deliveries and requests are deleted.")) return "";
    await post("reset");
    return "The sandbox is empty.";
  },
  "delete-endpoint": async ({ id }) => {
    if (!window.confirm("Delete this endpoint? Deliveries that are pending there will fail.")) return "";
    await send("DELETE", `dashboard/endpoints/${id}`);
    return "Deleted.";
  },
  "clear-faults": async () => (await send("DELETE", "faults"), "All faults are disarmed."),
};

async function resolve({ id, account, mode }, outcome) {
  await post("trigger", { type: "dispute.resolved", account, mode, data: { id, outcome } });
  return `The dispute is ${outcome}.`;
}

export const forms = {
  trigger: async (fields) => {
    const data = fields.data.trim() ? JSON.parse(fields.data) : undefined;
    await post("dashboard/trigger", given({ ...fields, data }));
    return `${fields.type} happened.`;
  },
  fault: async (fields) => {
    await post("faults", given({ ...fields, times: number(fields.times), seconds: number(fields.seconds) }));
    return `Armed: ${fields.kind}.`;
  },
  clock: async ({ days, hours, minutes }) =>
    buttons.advance({ seconds: 86400 * Number(days) + 3600 * Number(hours) + 60 * Number(minutes) }),
  endpoint: async (fields) => {
    const made = await post("dashboard/endpoints", fields);
    window.location.hash = `#/webhook_endpoint/${made.id}`;
    return "Added. Its signing secret is in the details.";
  },
  amount: async ({ amount }, { id, verb }) => {
    await post(`dashboard/payments/${id}/${verb}`, given({ amount }));
    return verb === "refund" ? "Refunded." : "Captured.";
  },
  settings: async (fields) => {
    await post("settings", { idempotency: fields.idempotency, clock_rate: Number(fields.clock_rate), strict: fields.strict === "on" });
    return "Saved.";
  },
};
