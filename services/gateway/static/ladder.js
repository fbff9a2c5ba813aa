// The book as a ladder: 15 levels a side, own orders beside their level, depth as bars, mid and imbalance.

import { el, setAttribute, setText } from "./dom.js";
import { decimals, trimmed } from "./format.js";

const LEVELS = 15;

export class Ladder {
  constructor(place) {
    this.asks = Array.from({ length: LEVELS }, () => level("ask"));
    this.bids = Array.from({ length: LEVELS }, () => level("bid"));
    this.mid = el("b", { class: "mid", title: "Middle of best bid and best ask" });
    this.spread = el("span", { class: "quiet" });
    this.balance = el("span", { class: "balance-text" });
    this.bar = el("i");
    this.meter = el("div", { class: "balance", role: "img" }, this.bar);
    const head = el("div", { class: "level head" },
      el("span", { text: "Own" }), el("span", { text: "Price" }), el("span", { text: "Quantity" }), el("span", { text: "Total" }));
    const middle = el("div", { class: "middle-row" },
      el("div", { class: "middle-text" }, this.mid, this.spread),
      el("div", { class: "balance-row" }, el("span", { class: "quiet", text: "imbalance" }), this.meter, this.balance));
    this.problem = el("p", { class: "problem" });
    place.replaceChildren(head, ...this.asks.map((one) => one.row).reverse(), middle, ...this.bids.map((one) => one.row), this.problem);
  }

  show(book, ownOrders, problem) {
    setText(this.problem, problem);
    const own = ownByPrice(ownOrders);
    const bids = book?.bids.slice(0, LEVELS) ?? [];
    const asks = book?.asks.slice(0, LEVELS) ?? [];
    const digits = { price: decimals([...bids, ...asks].map(([price]) => price)), qty: decimals([...bids, ...asks].map(([, qty]) => qty)) };
    const totals = { bid: sums(bids), ask: sums(asks) };
    const most = Math.max(totals.bid.at(-1) ?? 0, totals.ask.at(-1) ?? 0) || 1;
    const shown = { ask: withOwn(asks, totals.ask, own.sell, 1), bid: withOwn(bids, totals.bid, own.buy, -1) };
    this.asks.forEach((one, index) => fill(one, shown.ask[index], most, digits));
    this.bids.forEach((one, index) => fill(one, shown.bid[index], most, digits));
    this.showMiddle(bids, asks, digits, totals);
  }

  showMiddle(bids, asks, digits, totals) {
    if (!bids.length || !asks.length) {
      setText(this.mid, "–");
      setText(this.spread, "");
      setText(this.balance, "");
      this.bar.style.width = "50%";
      return;
    }
    const [bid, ask] = [Number(bids[0][0]), Number(asks[0][0])];
    const mid = (bid + ask) / 2;
    setText(this.mid, mid.toFixed(digits.price + 1));
    setText(this.spread, `spread ${(ask - bid).toFixed(digits.price)} · ${(((ask - bid) / mid) * 10000).toFixed(2)} bps`);
    const [bought, sold] = [totals.bid.at(-1), totals.ask.at(-1)];
    const share = bought / (bought + sold);
    const percent = Math.round((2 * share - 1) * 100);
    const text = `${percent > 0 ? "+" : percent < 0 ? "\u2212" : ""}${Math.abs(percent)} %`;
    setText(this.balance, text);
    setAttribute(this.balance, "data-tone", percent > 0 ? "gain" : percent < 0 ? "loss" : "");
    setAttribute(this.meter, "aria-label", `Imbalance of ${LEVELS} levels: ${text}, positive when bids are heavier`);
    setAttribute(this.meter, "title", `Imbalance of ${LEVELS} levels: ${text}`);
    this.bar.style.width = `${(share * 100).toFixed(1)}%`;
  }
}

function level(side) {
  const cells = { own: el("span", { class: "own" }), price: el("span", { class: "price" }), qty: el("span", { class: "qty" }), total: el("span", { class: "quiet total" }) };
  const bar = el("i", { class: "depth" });
  return { row: el("div", { class: `level ${side}` }, bar, cells.own, cells.price, cells.qty, cells.total), bar, ...cells };
}

// Merges own prices that have no level of the book into it, as far as the book is shown: paper orders rest here,
// not at the venue. `sign` is +1 where prices grow away from the middle.
function withOwn(levels, totals, own, sign) {
  const lines = levels.map(([price, qty], index) => ({ price, qty, total: totals[index], mine: own.get(trimmed(price)) }));
  const known = new Set(lines.map((one) => trimmed(one.price)));
  for (const [price, mine] of own) {
    if (!known.has(price)) lines.push({ price, qty: null, total: 0, mine });
  }
  lines.sort((a, b) => sign * (Number(a.price) - Number(b.price)));
  return lines.slice(0, LEVELS);
}

function fill(line, found, most, digits) {
  if (found === undefined) {
    for (const cell of [line.own, line.price, line.qty, line.total]) setText(cell, "");
    setAttribute(line.row, "data-own", "");
    line.bar.style.transform = "scaleX(0)";
    return;
  }
  const { price, qty, total, mine } = found;
  setText(line.price, trimmed(price, digits.price));
  setText(line.qty, qty === null ? "" : trimmed(qty, digits.qty));
  setText(line.total, qty === null ? "" : total.toFixed(Math.min(digits.qty, 3)));
  setText(line.own, mine === undefined ? "" : Number(mine.toFixed(8)));
  setAttribute(line.row, "data-own", mine === undefined ? "" : qty === null ? "alone" : "yes");
  line.bar.style.transform = `scaleX(${(total / most).toFixed(3)})`;
}

function sums(levels) {
  let total = 0;
  return levels.map(([, qty]) => (total += Number(qty)));
}

function ownByPrice(orders) {
  const found = { buy: new Map(), sell: new Map() };
  for (const order of orders) {
    if (order.price === null) continue;
    const key = trimmed(order.price);
    const left = Number(order.qty) - Number(order.filled_qty);
    found[order.side].set(key, (found[order.side].get(key) ?? 0) + left);
  }
  return found;
}
