// What may not be believed now, and since when: banners for the whole page, a note and grey for each panel.

import { byId, setAttribute, setText } from "./dom.js";
import { time } from "./format.js";

const PULSE_MS = 3500;
// The service whose word a panel shows: when it is not well, the panel is of the past.
const SPEAKERS = {
  book: "market_data", trades: "market_data", strategies: "strategy", orders: "broker", fills: "broker",
  positions: "risk", equity: "risk", trading: "risk", tiles: "risk", account: "broker",
};

export class Stale {
  constructor(model) {
    this.model = model;
    this.since = new Map();
  }

  // Returns when a trouble was first seen, and forgets it once it is over.
  first(key, isHere, ms = Date.now()) {
    if (!isHere) {
      this.since.delete(key);
      return null;
    }
    if (!this.since.has(key)) this.since.set(key, ms);
    return this.since.get(key);
  }

  show(link, symbol) {
    const trouble = this.wholeTrouble(link);
    this.showLink(link, trouble);
    for (const panel of document.querySelectorAll("[data-panel]")) {
      const name = panel.dataset.panel;
      // What runs is seen without the bus.
      const isOfAll = trouble !== null && !(trouble.kind === "bus" && name === "processes");
      const note = isOfAll ? { since: trouble.since, text: "" } : trouble ? null : this.panelTrouble(name, symbol);
      setAttribute(panel, "data-stale", note === null ? "" : "yes");
      const place = panel.querySelector(".stale");
      if (place) setText(place, note === null ? "" : `stale since ${time(note.since)}${note.text ? `: ${note.text}` : ""}`);
    }
  }

  wholeTrouble(link) {
    const pulse = this.model.pulse;
    const heardMs = this.model.pulseMs;
    const isOff = link.state !== "live";
    const offSince = this.first("link", isOff && (heardMs > 0 || link.state === "down"), heardMs || Date.now());
    if (isOff) return offSince === null ? null : { kind: "link", since: offSince };
    const isQuiet = heardMs > 0 && Date.now() - heardMs > PULSE_MS;
    const quietSince = this.first("pulse", isQuiet, heardMs);
    if (isQuiet) return { kind: "pulse", since: quietSince };
    const isDeaf = pulse !== null && !pulse.is_bus_heard;
    const deafSince = this.first("bus", isDeaf, Date.now() - (pulse?.bus_silent_ms ?? 0));
    if (isDeaf) return { kind: "bus", since: deafSince };
    const isBehind = pulse !== null && !pulse.is_caught_up;
    const behindSince = this.first("behind", isBehind);
    return isBehind ? { kind: "behind", since: behindSince } : null;
  }

  panelTrouble(name, symbol) {
    const speaker = SPEAKERS[name];
    const service = speaker && this.model.service(speaker);
    const isIll = Boolean(service) && service.health !== "ok";
    const illSince = this.first(`service ${speaker}`, isIll);
    if (isIll) return { since: illSince, text: `${speaker} is ${service.health}` };
    if (name !== "book") return null;
    const problem = this.model.bookSight(symbol)?.reason ?? "";
    const since = this.first(`book ${symbol}`, problem !== "");
    return since === null ? null : { since, text: problem };
  }

  showLink(link, trouble) {
    const seconds = Math.max(0, Math.ceil((link.retryAtMs - Date.now()) / 1000));
    const texts = {
      link: ["The gateway does not answer.", `What you see is from before ${trouble ? time(trouble.since) : ""}.`],
      pulse: ["The gateway has gone quiet.", `What you see is from before ${trouble ? time(trouble.since) : ""}.`],
      bus: ["The bus is silent.", `Nothing has reached the log since ${trouble ? time(trouble.since) : ""}; what you see is from before.`],
      behind: ["The gateway is catching up with the log.", "What you see is of the past, and not yet now."],
    };
    setAttribute(document.body, "data-stale", trouble === null ? "" : "yes");
    const banner = byId("banner-link");
    banner.hidden = trouble === null;
    if (trouble !== null) {
      const [title, text] = texts[trouble.kind];
      setText(banner.querySelector("b"), title);
      setText(banner.querySelector("span"), text);
    }
    const words = { connecting: "connecting…", live: trouble ? "not current" : "connected", down: seconds ? `trying again in ${seconds} s` : "trying again…" };
    setText(byId("link-text"), words[link.state]);
    setAttribute(byId("link"), "data-link", link.state === "live" && trouble ? "down" : link.state);
  }
}
