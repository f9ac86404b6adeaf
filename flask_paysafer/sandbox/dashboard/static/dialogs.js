// Open dialogs with what they need to know, and show what goes wrong in them.

import { el, show } from "./dom.js";

const ASKS_AMOUNT = { refund: "Refund", capture: "Capture" };

export function open(id, state, data = {}) {
  const dialog = document.getElementById(id);
  const form = dialog.querySelector("form");
  form.querySelector(".problem").textContent = "";
  Object.assign(form.dataset, { id: data.id ?? "", verb: data.verb ?? "" });
  const account = form.elements.account;
  if (account && !account.value) account.value = state?.accounts[0]?.account ?? "acmeshop1";
  if (id === "amount-dialog") {
    form.reset();
    dialog.querySelector("h2").textContent = ASKS_AMOUNT[data.verb];
    dialog.querySelector("button.primary").textContent = ASKS_AMOUNT[data.verb];
    dialog.querySelector("#amount-unit").textContent = `in ${data.currency.toUpperCase()}; empty for all of it, ${data.whole}`;
  }
  if (id === "session-dialog" && state) {
    form.elements.idempotency.value = state.settings.idempotency;
    form.elements.clock_rate.value = state.settings.clock_rate;
    form.elements.strict.checked = state.settings.strict;
  }
  dialog.showModal();
}

export const asksAmount = (verb) => verb in ASKS_AMOUNT;

export function showState(state) {
  show(document.getElementById("accounts"), ...[...new Set(state.accounts.map((one) => one.account))].map((name) => el("option", { value: name })));
  const rows = state.faults.map((one) =>
    el("li", {}, el("code", {}, one.kind), ` ${one.method ?? "any method"} ${one.path ?? "any path"}, ${one.times === 1 ? "once" : `${one.times} times`}`));
  show(document.getElementById("faults"),
    ...(rows.length
      ? [el("ul", {}, ...rows), el("button", { type: "button", "data-do": "clear-faults" }, "Disarm all")]
      : [el("p", { class: "soft" }, "No faults armed.")]));
}
