// The page: takes the token, keeps the link, and shows what changed at most ten times a second.

import { Control } from "./control.js";
import { byId, el, setText } from "./dom.js";
import { Equity } from "./equity.js";
import { signed } from "./format.js";
import { Ladder } from "./ladder.js";
import { Link } from "./link.js";
import { Model } from "./model.js";
import { Panels, shortMarket } from "./panels.js";
import * as session from "./session.js";
import { Stale } from "./stale.js";

session.takeFromAddress();

const SHOW_MS = 100;
const MARKET_KEY = "quotemesh.market";

class Page {
  constructor() {
    this.model = new Model();
    this.panels = new Panels(this.model);
    this.ladder = new Ladder(byId("ladder"));
    this.equity = new Equity(byId("equity"));
    this.control = new Control(this.model, () => this.refused());
    this.stale = new Stale(this.model);
    this.market = sessionStorage.getItem(MARKET_KEY) ?? "";
    this.link = null;
    byId("market").addEventListener("change", (event) => this.choose(event.target.value));
    byId("logout").addEventListener("click", () => this.leave(""));
    byId("login-form").addEventListener("submit", (event) => this.enter(event));
    addEventListener("hashchange", () => {
      session.takeFromAddress();
      if (session.token()) this.start();
    });
    setInterval(() => this.show(), SHOW_MS);
  }

  enter(event) {
    event.preventDefault();
    session.keep(byId("token").value);
    byId("token").value = "";
    this.start();
  }

  start() {
    this.link?.end();
    this.link = null;
    const hasToken = Boolean(session.token());
    byId("login").hidden = hasToken;
    byId("page").hidden = !hasToken;
    if (!hasToken) {
      byId("token").focus();
      return;
    }
    setText(byId("login-problem"), "");
    this.link = new Link((channel, data) => this.model.take(channel, data), (link) => this.linked(link), () => this.refused());
    this.link.subscribe(this.market ? [this.market] : []);
  }

  refused() {
    this.leave("That token is not the one of this gateway.");
  }

  leave(problem) {
    session.forget();
    this.link?.end();
    this.link = null;
    this.start();
    setText(byId("login-problem"), problem);
  }

  // A new connection may have missed anything: begin again from the whole.
  async linked(link) {
    if (link.state !== "live") return;
    try {
      const overview = await session.ask("overview");
      if (link !== this.link) return;
      this.model.begin(overview);
      this.offerMarkets(overview.pulse.status.symbols);
      await this.fetchMarket();
    } catch (error) {
      if (error instanceof session.Refused) this.refused();
      else if (link === this.link) link.lost(0);
    }
  }

  offerMarkets(symbols) {
    const place = byId("market");
    const known = [...place.options].map((one) => one.value);
    if (known.join() !== symbols.join()) {
      place.replaceChildren(...symbols.map((symbol) => el("option", { value: symbol, title: symbol, text: shortMarket(symbol) })));
    }
    if (!symbols.includes(this.market)) this.market = symbols.find((one) => one.startsWith("binance_usdm:")) ?? symbols[0] ?? "";
    place.value = this.market;
    this.link.subscribe([this.market]);
  }

  choose(symbol) {
    this.market = symbol;
    sessionStorage.setItem(MARKET_KEY, symbol);
    this.link?.subscribe([symbol]);
    this.model.dirty.add("book").add("trades");
    this.fetchMarket().catch(() => {});
  }

  async fetchMarket() {
    const symbol = encodeURIComponent(this.market);
    if (!symbol) return;
    const [book, trades] = await Promise.all([session.ask(`book?symbol=${symbol}`), session.ask(`trades?symbol=${symbol}`)]);
    this.model.take("book", book);
    this.model.take("trades", trades);
  }

  show() {
    if (this.link === null) return;
    this.stale.show(this.link, this.market);
    const dirty = this.model.dirty;
    if (this.model.pulse === null || dirty.size === 0 || document.visibilityState === "hidden") return;
    this.model.dirty = new Set();
    if (dirty.has("orders") || dirty.has("fills")) this.panels.showOrders();
    if (dirty.has("trades")) this.panels.showTrades(this.market);
    if (dirty.has("status")) this.showPulse();
    if (dirty.has("book") || dirty.has("orders") || dirty.has("status")) {
      const own = this.model.openOrders().filter((one) => one.symbol === this.market);
      this.ladder.show(this.model.books.get(this.market), own, this.model.bookSight(this.market)?.reason ?? "");
    }
  }

  showPulse() {
    const { status, profits } = this.model.pulse;
    if (status.symbols.length !== byId("market").options.length) this.offerMarkets(status.symbols);
    this.panels.showPulse();
    this.control.showPulse();
    const { asset, profit } = profits[0] ?? { asset: "", profit: null };
    this.equity.show(asset, this.model.curves.get(asset) ?? []);
    setText(byId("equity-now"), profit === null ? "" : `${signed(profit)} ${asset}`);
    document.title = `${status.kill ? "KILLED" : profit === null ? status.trading_state : `${signed(profit)} ${asset}`} · quotemesh`;
  }
}

new Page().start();
