/* Checkout of flask-paysafer. Card data goes from here to PaySafer and to nobody
   else: the card inputs have no name, and the shop is sent the token alone. They are emptied
   once the token is made, when the page is left, and when it is come back to. */
"use strict";
(() => {
  const BRANDS = [
    ["amex", /^3[47]/, [15], [4, 6, 5], 4, "Amex"],
    ["visa", /^4/, [13, 16, 19], [4, 4, 4, 4, 3], 3, "Visa"],
    ["mastercard", /^(5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720)/, [16], [4, 4, 4, 4], 3, "Mastercard"],
    ["diners", /^3(0[0-5]|[689])/, [14, 16, 19], [4, 6, 9], 3, "Diners"],
    ["discover", /^6(011|4[4-9]|5)/, [16, 19], [4, 4, 4, 4, 3], 3, "Discover"],
    ["jcb", /^35(2[89]|[3-8])/, [16, 19], [4, 4, 4, 4, 3], 3, "JCB"],
    ["unionpay", /^62/, [16, 17, 18, 19], [4, 4, 4, 4, 3], 3, "UnionPay"],
  ].map(([id, starts, lengths, groups, cvc, label]) => ({ id, starts, lengths, groups, cvc, label }));
  const ANY = { id: "", lengths: [12, 13, 14, 15, 16, 17, 18, 19], groups: [4, 4, 4, 4, 3], cvc: 3, label: "" };
  const brandOf = (digits) => BRANDS.find((brand) => brand.starts.test(digits)) || ANY;

  // Arabic and Persian keyboards type their own digits.
  const latin = (text) =>
    text.replace(/[٠-٩]/g, (c) => c.charCodeAt(0) - 0x660).replace(/[۰-۹]/g, (c) => c.charCodeAt(0) - 0x6f0);
  const digitsOf = (text) => latin(text).replace(/\D/g, "");

  const luhn = (digits) => {
    let sum = 0;
    for (let i = 0; i < digits.length; i++) {
      const n = Number(digits[digits.length - 1 - i]) * (i % 2 ? 2 : 1);
      sum += n > 9 ? n - 9 : n;
    }
    return sum % 10 === 0;
  };

  const grouped = (digits, groups) => {
    const parts = [];
    for (const size of groups) {
      if (!digits) break;
      parts.push(digits.slice(0, size));
      digits = digits.slice(size);
    }
    return parts.join(" ");
  };

  const numberText = (text) => {
    const digits = digitsOf(text);
    const brand = brandOf(digits);
    return grouped(digits.slice(0, Math.max(...brand.lengths)), brand.groups);
  };

  // "08 / 29", "0829", and by autofill "2029-08", "202908", "29/08".
  const parts = (text) => latin(text).split(/\D+/).filter(Boolean);
  const isMonth = (text) => Number(text) >= 1 && Number(text) <= 12;
  const expiryOf = (text) => {
    let [month = "", year = ""] = parts(text);
    if (!year && month.length === 6 && /^20/.test(month) && isMonth(month.slice(4))) {
      [year, month] = [month.slice(0, 4), month.slice(4)];
    } else if (!year) {
      [month, year] = [month.slice(0, 2), month.slice(2)];
    } else if (month.length === 4 || (!isMonth(month) && month.length === 2 && isMonth(year))) {
      [month, year] = [year, month];
    }
    return { month: Number(month), year: year.length === 2 ? 2000 + Number(year) : Number(year), raw: year };
  };

  const expiryText = (text, deleting) => {
    const [first, ...rest] = parts(text);
    if (!first) return "";
    const whole = expiryOf(text);
    const isFilled = /^20\d\d\D*\d{2}$/.test(latin(text).trim()) || (first.length === 2 && !isMonth(first) && rest[0]?.length === 2);
    if (isFilled && isMonth(whole.month)) return String(whole.month).padStart(2, "0") + " / " + String(whole.year).slice(-2);
    let digits = rest.length || /^\D*\d+\D/.test(latin(text)) ? first.padStart(2, "0").slice(0, 2) + rest.join("") : first;
    if (/^[2-9]/.test(digits)) digits = "0" + digits;
    digits = digits.replace(/^(\d\d)20(\d\d)$/, "$1$2").slice(0, 6);
    if (digits.length < 2 || (deleting && digits.length === 2)) return digits;
    return digits.slice(0, 2) + " / " + digits.slice(2);
  };

  // Rewrites what was typed and keeps the caret behind the same digit.
  const rewrite = (input, format) => {
    const before = digitsOf(input.value.slice(0, input.selectionStart)).length;
    const atEnd = input.selectionStart === input.value.length;
    const text = format(input.value);
    if (text === input.value) return;
    input.value = text;
    if (atEnd) return;
    let at = 0;
    for (let seen = 0; at < text.length && seen < before; at++) if (/\d/.test(text[at])) seen++;
    input.setSelectionRange(at, at);
  };

  class Form {
    constructor(form) {
      this.form = form;
      this.messages = JSON.parse(form.dataset.messages);
      this.fields = {};
      for (const input of form.querySelectorAll("[data-paysafer-field]")) {
        this.fields[input.dataset.paysaferField] = input;
      }
      this.button = form.querySelector("[data-paysafer-pay]");
      this.alert = form.querySelector("[data-paysafer-alert]");
      this.brands = (form.dataset.brands || "").split(" ").filter(Boolean);
      this.busy = false;
      this.listen();
      form.querySelector("[data-paysafer-noscript]")?.remove();
      for (const fieldset of form.querySelectorAll("fieldset")) fieldset.disabled = false;
      this.button.disabled = false;
      this.choose();
      // On a page of our own, why the last try failed is read out first.
      if (!this.alert.hidden && form.closest(".paysafer-page")) this.blame(form.dataset.wrong);
    }

    listen() {
      const { number, expiry, cvc } = this.fields;
      number.addEventListener("input", () => this.typedNumber());
      expiry.addEventListener("input", (event) => {
        const deleting = (event.inputType || "").startsWith("delete");
        rewrite(expiry, (text) => expiryText(text, deleting));
      });
      cvc.addEventListener("input", () => rewrite(cvc, (text) => digitsOf(text).slice(0, this.brand().cvc)));
      for (const [name, input] of Object.entries(this.fields)) {
        input.addEventListener("blur", () => {
          if (input.value && !this.pressed) this.show(name, this.problem(name));
        });
        input.addEventListener("input", () => this.show(name, null));
      }
      // An error that appears now would move the button under the pointer.
      this.button.addEventListener("pointerdown", () => (this.pressed = true));
      window.addEventListener("pointerup", () => (this.pressed = false));
      this.form.addEventListener("submit", (event) => {
        event.preventDefault();
        this.submit();
      });
      for (const choice of this.form.querySelectorAll("[name=method]")) {
        choice.addEventListener("change", () => this.choose());
      }
    }

    brand() {
      return brandOf(digitsOf(this.fields.number.value));
    }

    typedNumber() {
      rewrite(this.fields.number, numberText);
      const brand = this.brand();
      const badge = this.form.querySelector("[data-paysafer-badge]");
      badge.textContent = brand.label;
      badge.dataset.paysaferBrand = brand.id;
      this.form.querySelector("[data-paysafer-cvc-hint]").textContent =
        brand.cvc === 4 ? this.messages.cvc_hint_amex : this.messages.cvc_hint;
    }

    // A saved card hides the fields of a new one.
    choose() {
      this.saved = Boolean(this.form.querySelector("[name=method]:checked")?.value);
      this.form.querySelector("[data-paysafer-card]").hidden = this.saved;
    }

    problem(name) {
      const value = this.fields[name].value.trim();
      if (name === "name") return null;
      if (!value) return this.messages[name + "_missing"];
      return this[name + "Problem"](value);
    }

    numberProblem(value) {
      const digits = digitsOf(value);
      const brand = brandOf(digits);
      if (!brand.lengths.includes(digits.length) || !luhn(digits)) return this.messages.number_invalid;
      const taken = !this.brands.length || !brand.id || this.brands.includes(brand.id);
      return taken ? null : this.messages.brand_refused;
    }

    expiryProblem(value) {
      const { month, year, raw } = expiryOf(value);
      if (month < 1 || month > 12 || (raw.length !== 2 && raw.length !== 4)) return this.messages.expiry_invalid;
      const now = new Date();
      const past = year * 12 + month < now.getFullYear() * 12 + now.getMonth() + 1;
      return past ? this.messages.expiry_past : null;
    }

    cvcProblem(value) {
      const wanted = this.brand().cvc;
      return digitsOf(value).length === wanted ? null : this.messages.cvc_invalid.replace("{digits}", wanted);
    }

    show(name, problem) {
      const input = this.fields[name];
      const line = document.getElementById(input.id + "-error");
      if (!line) return;
      line.textContent = problem || "";
      line.hidden = !problem;
      if (problem) input.setAttribute("aria-invalid", "true");
      else input.removeAttribute("aria-invalid");
    }

    tell(text) {
      this.alert.textContent = text;
      this.alert.hidden = !text;
    }

    valid() {
      const wrong = Object.keys(this.fields).filter((name) => {
        const problem = this.problem(name);
        this.show(name, problem);
        return problem;
      });
      if (wrong.length) this.fields[wrong[0]].focus();
      return !wrong.length;
    }

    setBusy(busy) {
      this.busy = busy;
      this.form.setAttribute("aria-busy", String(busy));
      this.button.setAttribute("aria-disabled", String(busy));
      this.button.querySelector("[data-paysafer-label]").textContent = busy
        ? this.messages.paying
        : this.button.dataset.label;
      for (const input of Object.values(this.fields)) input.readOnly = busy;
    }

    async submit() {
      if (this.busy) return;
      if (!this.saved && !this.valid()) return;
      this.tell("");
      this.setBusy(true);
      const token = this.saved ? "" : await this.token();
      if (token === null) return this.setBusy(false);
      this.empty();
      this.form.elements.token.value = token;
      this.form.elements.page.value = location.pathname + location.search;
      const answer = await this.send();
      if (!answer) return HTMLFormElement.prototype.submit.call(this.form);
      this.form.elements.token.value = "";
      if (answer.next) return window.location.assign(answer.next);
      this.restore();
      this.setBusy(false);
      this.tell(answer.notice || this.messages.unavailable);
      this.retitle();
      this.blame(answer.field);
    }

    // In the background, so that what was typed can stay. Where that fails, the form is posted:
    // with the same token nothing is charged twice.
    async send() {
      try {
        const response = await fetch(this.form.action, {
          method: "POST",
          headers: { "X-PaySafer-Form": "1", Accept: "application/json" },
          body: new URLSearchParams(new FormData(this.form)),
          credentials: "same-origin",
        });
        const answer = await response.json();
        return answer.next || answer.notice ? answer : null;
      } catch {
        return null;
      }
    }

    // Number and expiry stay in memory until the answer is there.
    empty() {
      const { number, expiry } = this.fields;
      const typed = { number: number?.value || "", expiry: expiry?.value || "" };
      this.clear();
      this.typed = typed;
    }

    restore() {
      if (this.saved || !this.typed) return;
      for (const [name, value] of Object.entries(this.typed)) if (this.fields[name]) this.fields[name].value = value;
      this.typed = null;
      this.typedNumber();
    }

    clear() {
      this.typed = null;
      for (const [name, input] of Object.entries(this.fields)) if (name !== "name") input.value = "";
    }

    // Heading and title say what has happened.
    retitle() {
      const heading = document.querySelector(".paysafer-page h1.paysafer-title");
      if (!heading) return;
      document.title = document.title.replace(heading.textContent, this.messages.not_paid_title);
      heading.textContent = this.messages.not_paid_title;
    }

    // Marks the wrong field, or has the message read out.
    blame(name) {
      const input = name && !this.saved && this.fields[name];
      if (!input) return this.alert.focus();
      input.setAttribute("aria-invalid", "true");
      input.focus();
    }

    async token() {
      const { number, expiry, cvc, name } = this.fields;
      const { month, year } = expiryOf(expiry.value);
      const card = { number: digitsOf(number.value), exp_month: month, exp_year: year, cvc: digitsOf(cvc.value) };
      if (name && name.value.trim()) card.name = name.value.trim();
      const { dataset } = this.form;
      let answer;
      try {
        answer = await ask(dataset, dataset.tokens, { card });
      } catch {
        return this.refuse(this.messages.network);
      }
      if (answer.id) return answer.id;
      return this.refused(answer);
    }

    refuse(text) {
      this.tell(text);
      this.alert.focus();
      return null;
    }

    refused({ status, error }) {
      const { code, decline_code: decline, param = "" } = error;
      const text = this.messages[decline] || this.messages[code];
      const field = Object.keys(FIELDS).find((name) => FIELDS[name].test(code + " " + param));
      if (status === 429) return this.refuse(this.messages.busy);
      if (status === 401 || status === 403) return this.refuse(this.messages.unavailable);
      if (!field) return this.refuse(text || this.messages.card_unusable);
      this.show(field, text || (this.messages[field + "_invalid"] || "").replace("{digits}", this.brand().cvc));
      this.fields[field].focus();
      return null;
    }
  }

  const FIELDS = { cvc: /cvc/, expiry: /exp/, number: /number/ };

  // One call with the publishable key. Throws where no answer came.
  const ask = async ({ api, key }, path, body) => {
    const stop = new AbortController();
    const timer = setTimeout(() => stop.abort(), 30000);
    try {
      const response = await fetch(api + path, {
        method: "POST",
        headers: { Authorization: "Bearer " + key, "Content-Type": "application/json" },
        body: JSON.stringify(body),
        credentials: "omit",
        referrerPolicy: "no-referrer",
        signal: stop.signal,
      });
      const answer = await response.json();
      return response.ok ? answer : { status: response.status, error: answer.error || {} };
    } finally {
      clearTimeout(timer);
    }
  };

  // The page of a payment that is under way: asks the shop until it is settled.
  class Wait {
    constructor(section) {
      this.section = section;
      this.line = section.querySelector("[data-paysafer-progress]");
      this.asked = 0;
      window.addEventListener("online", () => this.poll());
      // A policy without 'self' in connect-src: then the page is loaded again instead.
      document.addEventListener("securitypolicyviolation", (event) => {
        if (event.effectiveDirective === "connect-src") this.isForbidden = true;
      });
      section.querySelector("[data-paysafer-again]")?.addEventListener("click", (event) => {
        event.preventDefault();
        this.again();
      });
      section.querySelector("[data-paysafer-confirm]")?.addEventListener("click", () => this.confirm());
      if (section.dataset.next) this.go(section.dataset.next);
      else if (section.dataset.confirmNow) this.confirm();
      else this.later();
    }

    // The page is opened anew: the shop's own stays the shop's own.
    again() {
      window.location.replace(location.pathname + location.search);
    }

    // Replaces this page in the history: "back" must not bounce forward.
    go(url) {
      window.location.replace(url);
    }

    later() {
      clearTimeout(this.timer);
      this.timer = setTimeout(() => this.poll(), Math.min(1000 + 500 * this.asked++, 8000));
    }

    async poll() {
      clearTimeout(this.timer);
      if (!this.section.isConnected) return; // Turbo or htmx has gone on to another page
      let response;
      try {
        response = await fetch(this.section.dataset.status, { cache: "no-store", credentials: "same-origin" });
      } catch {
        if (this.isForbidden) return this.again();
        this.line.textContent = this.section.dataset.offline;
        return this.later();
      }
      const answer = response.ok ? await response.json().catch(() => ({})) : {};
      if (answer.state && answer.state !== this.section.dataset.state) return this.again();
      this.line.textContent = "";
      if (this.asked > 6) this.slow();
      this.later();
    }

    slow() {
      this.line.textContent = this.section.dataset.slow;
      for (const offer of this.section.querySelectorAll("[data-paysafer-late]")) offer.hidden = false;
    }

    async confirm() {
      const { payment, confirm } = this.section.dataset;
      const body = { return_url: location.href.split("#")[0] };
      try {
        await ask(this.section.dataset, confirm.replace("{id}", encodeURIComponent(payment)), body);
      } catch {
        this.line.textContent = this.section.dataset.offline;
        return this.later();
      }
      this.again();
    }
  }

  // Counts down to the moment at which the order expires.
  class Countdown {
    constructor(line) {
      this.line = line;
      this.end = Date.parse(line.dataset.paysaferExpires);
      this.tick();
    }

    tick() {
      const left = Math.ceil((this.end - Date.now()) / 1000);
      if (!this.line.isConnected || left > 86400) return;
      if (left <= 0) return window.location.replace(location.pathname + location.search);
      const two = (number) => String(number).padStart(2, "0");
      const hours = Math.floor(left / 3600);
      const time = (hours ? hours + ":" : "") + two(Math.floor(left / 60) % 60) + ":" + two(left % 60);
      this.line.textContent = this.line.dataset.text.replace("{time}", "\u2068" + time + "\u2069");
      this.line.hidden = false;
      setTimeout(() => this.tick(), 1000 - (Date.now() % 1000));
    }
  }

  const forms = new Map();
  const seen = new WeakSet();
  const each = (selector, use) => {
    for (const found of document.querySelectorAll(selector)) {
      if (seen.has(found) || found.closest("[data-turbo-preview]")) continue;
      seen.add(found);
      use(found);
    }
  };
  const clearAll = () => forms.forEach((form) => form.clear());

  const start = () => {
    if (document.documentElement.hasAttribute("data-turbo-preview")) return;
    each("[data-paysafer-form]", (form) => forms.set(form, new Form(form)));
    each("[data-paysafer-wait]", (section) => new Wait(section));
    each("[data-paysafer-expires]", (line) => new Countdown(line));
    each("[data-paysafer-restart]", (form) =>
      form.addEventListener("submit", () => (form.elements.page.value = location.pathname + location.search)),
    );
    each("a[data-paysafer-continue]", (onward) => window.location.replace(onward.href));
    for (const [element, form] of forms) {
      if (element.isConnected) continue;
      form.clear();
      forms.delete(element);
    }
  };

  // Finds forms that arrive later, too (Turbo Drive, htmx).
  let planned = false;
  const watch = () => {
    start();
    new MutationObserver(() => {
      if (planned) return;
      planned = true;
      queueMicrotask(() => {
        planned = false;
        start();
      });
    }).observe(document.documentElement, { childList: true, subtree: true });
  };
  window.addEventListener("pagehide", clearAll);
  document.addEventListener("turbo:before-cache", clearAll);
  // A page kept for the back button may show what is no longer true.
  window.addEventListener("pageshow", (event) => {
    clearAll();
    if (event.persisted && document.querySelector("[data-paysafer-form], [data-paysafer-wait]")) window.location.reload();
  });
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", watch);
  else watch();
})();
