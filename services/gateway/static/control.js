// Kill and clear: a typed word, then what became of it, from the log and from the orders that are left.

import { byId, setAttribute, setText } from "./dom.js";
import { integer, time, words } from "./format.js";
import { ask, Refused } from "./session.js";

export class Control {
  constructor(model, refused) {
    this.model = model;
    this.refused = refused;
    this.killing = this.dialog("kill", "KILL", (reason) => ask("kill", { reason }), (stored) => this.killText(stored));
    this.clearing = this.dialog("clear", "CLEAR", (reason) => ask("kill/clear", { reason }), (stored) => this.clearText(stored));
  }

  dialog(name, word, send, tell) {
    const box = byId(`${name}-dialog`);
    const form = box.querySelector("form");
    const [reason, typed] = [byId(`${name}-reason`), byId(`${name}-word`)];
    const button = form.querySelector("[type=submit]");
    const one = { box, outcome: box.querySelector(".outcome"), stored: null, tell };
    const judge = () => {
      button.disabled = typed.value.trim() !== word || (reason.required && !reason.value.trim());
    };
    const open = () => {
      form.reset();
      one.stored = null;
      setText(one.outcome, "");
      judge();
      box.showModal();
    };
    byId(`${name}-open`).addEventListener("click", open);
    form.addEventListener("input", judge);
    form.querySelector("[data-close]").addEventListener("click", () => box.close());
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      if (button.disabled) return;
      button.disabled = true;
      setAttribute(one.outcome, "data-tone", "");
      setText(one.outcome, "Asking…");
      try {
        one.stored = await send(reason.value.trim());
        typed.value = "";
        this.showOutcome(one);
      } catch (error) {
        if (error instanceof Refused) this.refused();
        setAttribute(one.outcome, "data-tone", "bad");
        setText(one.outcome, `Not confirmed: ${error.message}. Look at the state before you repeat it; ./quotemesh kill works without the gateway.`);
        judge();
      }
    });
    return one;
  }

  showOutcome(one) {
    if (one.stored === null || !one.box.open) return;
    const { text, isDone } = one.tell(one.stored);
    setAttribute(one.outcome, "data-tone", isDone ? "good" : "wait");
    setText(one.outcome, text);
  }

  killText(stored) {
    const place = stored.seq === null ? `Latched; ${stored.text}.` : `On the log at seq ${integer(stored.seq)}.`;
    const { kill, open_order_count: open } = this.model.pulse.status;
    if (kill === null) return { text: `${place} Waiting for the broker…`, isDone: false };
    if (open > 0) return { text: `${place} Killed; ${integer(open)} orders are still being cancelled.`, isDone: false };
    return { text: `${place} Killed: no order is open, none will be sent.`, isDone: true };
  }

  clearText(stored) {
    const place = `On the log at seq ${integer(stored.seq)}.`;
    const { kill, trading_state: state } = this.model.pulse.status;
    if (kill !== null) return { text: `${place} Waiting for the broker…`, isDone: false };
    return { text: `${place} Cleared: trading is ${words(state)}.`, isDone: state === "active" };
  }

  showPulse() {
    const { status } = this.model.pulse;
    const { kill, trading_state: state, trading_reasons: reasons } = status;
    const shown = kill ? "killed" : state;
    setText(byId("state"), shown);
    setAttribute(byId("state"), "data-state", shown);
    this.sinceMs = kill ? (this.sinceMs ?? Date.now()) : null;
    banner("kill", kill !== null, "Killed.", kill && `By ${kill.by} (${kill.path}), seen ${time(this.sinceMs)}: ${kill.reason}. ${openText(status.open_order_count)}`);
    const others = kill ? [] : state === "active" ? status.reasons : reasons.length ? reasons : status.reasons;
    const title = state === "active" ? "Not ready." : `Trading is ${state}.`;
    banner("state", !kill && (state !== "active" || status.reasons.length > 0), title, others.join("; "));
    byId("kill-open").disabled = false;
    for (const one of [this.killing, this.clearing]) this.showOutcome(one);
  }
}

const openText = (count) => (count ? `${integer(count)} orders are still open.` : "No order is open.");

function banner(name, isShown, title, text) {
  const box = byId(`banner-${name}`);
  box.hidden = !isShown;
  if (!isShown) return;
  setText(box.querySelector("b"), title);
  setText(box.querySelector("span"), text);
}
