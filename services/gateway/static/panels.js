// The tables and tiles of the page, each from the model alone.

import { Account } from "./account.js";
import { byId, el, setAttribute, setText, Table } from "./dom.js";
import * as format from "./format.js";

const SIDES = { buy: "gain", sell: "loss" };
const GOOD = new Set(["quoting", "ok", "live", "active", "accepted", "filled"]);
const BAD = new Set(["failed", "down", "silent", "halted", "rejected", "refused", "unknown"]);

const toneOf = (state) => (GOOD.has(state) ? "good" : BAD.has(state) ? "bad" : "wait");
const side = (one) => ({ text: one.side, tone: SIDES[one.side] });
const when = (ns) => ({ text: format.clock(ns), title: format.moment(ns) });
const stateCell = (state) => ({ text: format.words(state), tone: toneOf(state) });
const shortMarket = (symbol) => symbol.replace(/^binance_usdm:(.*)$/, "$1 perp").replace(/^binance:(.*)$/, "$1 spot");
const market = (one) => ({ text: shortMarket(one.symbol), title: one.symbol });
const quantity = ({ qty, filled_qty: filled }) =>
  Number(filled) > 0 && filled !== qty ? { text: `${format.trimmed(filled)} of ${format.trimmed(qty)}`, title: "filled of wanted" } : format.trimmed(qty);
const amount = (value, digits = 2) => ({ text: format.signed(value, digits), tone: format.tone(value), title: value ?? "not known now" });

export { shortMarket };

export class Panels {
  constructor(model) {
    this.model = model;
    this.tiles = new Map();
    for (const name of ["Profit and loss", "Realised", "Unrealised", "Fees", "Volume", "Open orders", "Fills"]) {
      const value = el("b", { class: "number" });
      this.tiles.set(name, value);
      byId("tiles").append(el("div", { class: "tile" }, el("span", { text: name }), value));
    }
    byId("tiles").append(el("span", { class: "stale" }));
    this.trades = new Table(byId("trades"), [
      { title: "Time", of: (one) => when(one.ts_ns) },
      { title: "Price", class: "number", of: (one) => ({ text: format.trimmed(one.price, this.tradeDigits.price), tone: SIDES[one.side] }) },
      { title: "Quantity", class: "number", of: (one) => format.trimmed(one.qty, this.tradeDigits.qty) },
    ], "No public trade yet.", (one) => one.seq);
    this.strategies = new Table(byId("strategies"), [
      { title: "Strategy", of: (one) => one.strategy, class: "strong" },
      { title: "State", of: (one) => stateCell(one.state), class: "state" },
      { title: "Since", of: (one) => when(one.ts_ns), class: "wide" },
      { title: "What it says", of: (one) => [one.reason, one.text].filter(Boolean).join(" · "), class: "text" },
    ], "No strategy has spoken yet.", (one) => one.strategy);
    this.orders = new Table(byId("orders"), [
      { title: "Time", of: (one) => when(one.updated_ts_ns) },
      { title: "Strategy", of: (one) => ({ text: one.strategy, title: one.client_order_id }) },
      { title: "Market", of: market, class: "wide" },
      { title: "Side", of: side },
      { title: "Price", of: (one) => format.trimmed(one.price, 2), class: "number" },
      { title: "Quantity", of: quantity, class: "number" },
      { title: "State", of: (one) => stateCell(one.state), class: "state" },
      { title: "Reason", of: (one) => ({ text: one.reason, title: one.reason }), class: "brief wide" },
    ], "No order yet.", (one) => one.client_order_id);
    this.fills = new Table(byId("fills"), [
      { title: "Time", of: (one) => when(one.ts_ns) },
      { title: "Strategy", of: (one) => ({ text: one.strategy, title: one.client_order_id }) },
      { title: "Market", of: market, class: "wide" },
      { title: "Side", of: side },
      { title: "Price", of: (one) => format.trimmed(one.price, 2), class: "number" },
      { title: "Quantity", of: (one) => format.trimmed(one.qty), class: "number" },
      { title: "Fee", of: (one) => ({ text: format.money(one.fee, 4), title: `${one.fee} ${one.fee_asset}` }), class: "number" },
      { title: "As", of: (one) => (one.is_maker ? "maker" : "taker"), class: "wide" },
    ], "No fill yet.", (one) => one.seq);
    this.positions = new Table(byId("positions"), [
      { title: "Strategy", of: (one) => ({ text: one.strategy, title: one.symbol }) },
      { title: "Position", of: (one) => ({ text: format.trimmed(one.qty), title: `${one.symbol}, average price ${format.trimmed(one.average_price)}` }), class: "number" },
      { title: "Realised", of: (one) => amount(one.realized_pnl), class: "number" },
      { title: "Open", of: (one) => amount(one.unrealized_pnl), class: "number" },
      { title: "Fees", of: (one) => ({ text: format.money(one.fees), title: `fees ${one.fees ?? "–"}, funding ${one.funding ?? "–"}` }), class: "number" },
    ], "No position yet.", (one) => `${one.strategy} ${one.symbol}`);
    this.processes = new Table(byId("processes"), [
      { title: "Process", of: (one) => ({ text: one.service, title: `process ${one.pid || "?"}, run ${one.run}, build ${one.build || "?"}` }), class: "strong" },
      { title: "Health", of: (one) => ({ text: one.health, tone: toneOf(one.health), title: one.detail }), class: "state" },
      { title: "Sequence", of: (one) => format.integer(one.applied_seq), class: "number" },
      { title: "Lag", of: (one) => ({ text: format.integer(one.behind), title: "events on the log that it has not applied, as of its last sign of life (four a second)" }), class: "number" },
      { title: "Digest", of: (one) => ({ text: one.digest.slice(0, 8) || "–", title: one.digest ? `${one.digest} after seq ${one.digest_seq}` : "has no state of its own on the log" }), class: "digest" },
      { title: "Memory", of: (one) => format.megabytes(one.rss_bytes), class: "number" },
    ], "Nothing known yet.", (one) => one.service);
    this.stages = new Table(byId("stages"), [
      { title: "Stage", of: (one) => ({ text: format.words(one.stage), title: one.text }) },
      { title: "Median \u2264", of: (one) => format.duration(one.p50_ms), class: "number" },
      { title: "99 % \u2264", of: (one) => format.duration(one.p99_ms), class: "number" },
      { title: "Count", of: (one) => format.integer(one.count), class: "number" },
    ], "Nothing measured yet.", (one) => one.stage);
    this.tradeDigits = { price: 0, qty: 0 };
    this.account = new Account();
  }

  showTrades(symbol) {
    const found = [...(this.model.trades.get(symbol) ?? [])].reverse();
    this.tradeDigits = { price: format.decimals(found.map((one) => one.price)), qty: format.decimals(found.map((one) => one.qty)) };
    this.trades.show(found);
  }

  showOrders() {
    this.orders.show(this.model.listedOrders());
    this.fills.show([...this.model.fills].reverse());
  }

  showPulse() {
    const { status, positions, profits, services, stages, events_per_s, account } = this.model.pulse;
    this.showTiles(status, positions, profits);
    this.strategies.show(status.strategies);
    this.positions.show(positions);
    this.processes.show(services);
    this.stages.show(stages);
    this.showTrading(status);
    this.account.show(account);
    setText(byId("orders-count"), `${status.open_order_count} open of ${format.integer(status.order_count)}`);
    setText(byId("fills-count"), `${format.integer(status.fill_count)} in all`);
    const log = byId("log-head");
    setText(log, `log ${format.integer(status.seq)} · ${Math.round(events_per_s)}/s`);
    setAttribute(log, "title", `durable to ${format.integer(status.durable_seq)}, epoch ${status.epoch}`);
  }

  showTiles(status, positions, profits) {
    const sum = (field) => positions.reduce((total, one) => total + Number(one[field] ?? 0), 0);
    const profit = profits.length ? profits.map((one) => `${format.signed(one.profit)} ${one.asset}`).join(", ") : "–";
    const values = {
      "Profit and loss": [profit, format.tone(profits[0]?.profit ?? null)],
      Realised: [format.signed(sum("realized_pnl")), format.tone(sum("realized_pnl"))],
      Unrealised: positions.some((one) => one.unrealized_pnl === null) ? ["–", ""] : [format.signed(sum("unrealized_pnl")), format.tone(sum("unrealized_pnl"))],
      Fees: [format.money(sum("fees")), ""],
      Volume: [format.money(sum("volume"), 0), ""],
      "Open orders": [format.integer(status.open_order_count), ""],
      Fills: [format.integer(status.fill_count), ""],
    };
    for (const [name, [text, tone]] of Object.entries(values)) {
      setText(this.tiles.get(name), text);
      setAttribute(this.tiles.get(name), "data-tone", tone);
    }
  }

  showTrading(status) {
    const lines = [
      ["Trading", status.kill ? "killed" : status.trading_state, status.trading_reasons.join("; ") || "nothing holds it back"],
      ["Mesh", status.is_ready ? "ready" : "not ready", status.reasons.join("; ") || "every service and book is there"],
      ...status.feeds.map((one) => [one.venue, one.state, one.reason || `${one.reconnect_count} reconnects, ${one.gap_count} gaps, ${one.dropped_count} dropped`]),
    ];
    this.trading ??= new Table(byId("trading"), [
      { title: "What", of: ([name]) => name, class: "strong" },
      { title: "State", of: ([, state]) => ({ text: format.words(state), tone: state === "ready" ? "good" : ["killed", "not ready"].includes(state) ? "bad" : toneOf(state) }), class: "state" },
      { title: "Why", of: ([, , why]) => why, class: "text" },
    ], "", ([name]) => name);
    this.trading.show(lines);
  }
}
