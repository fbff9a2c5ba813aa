// What the page knows: begun from /overview, then kept by what is pushed. Later news of the same thing win.

import { milliseconds } from "./format.js";

const KEPT = 60;
const POINTS_MAX = 1600;

const isOpen = (order) => !["filled", "canceled", "rejected", "refused", "expired", "not_sent"].includes(order.state);

export class Model {
  constructor() {
    this.pulse = null;
    this.pulseMs = 0;
    this.orders = new Map();
    this.fills = [];
    this.books = new Map();
    this.trades = new Map();
    this.curves = new Map();
    this.dirty = new Set();
  }

  begin(overview) {
    this.orders = new Map();
    this.fills = [];
    this.curves = new Map();
    for (const { asset, points } of overview.curves) {
      this.curves.set(asset, points.map(([ns, text]) => ({ ms: milliseconds(ns), value: Number(text) })));
    }
    for (const order of overview.orders) this.take("orders", order);
    for (const fill of overview.fills) this.take("fills", fill);
    this.take("status", overview.pulse);
  }

  take(channel, data) {
    this.dirty.add(channel);
    if (channel === "status") this.takePulse(data);
    else if (channel === "orders") this.takeOrder(data);
    else if (channel === "fills") this.takeFill(data);
    else if (channel === "book") this.books.set(data.symbol, data);
    else if (channel === "trades") this.takeTrades(data);
  }

  takePulse(pulse) {
    this.pulse = pulse;
    this.pulseMs = Date.now();
    if (!pulse.is_bus_heard || !pulse.is_caught_up) return;
    const ms = milliseconds(pulse.status.ts_ns);
    for (const { asset, profit } of pulse.profits) {
      let points = this.curves.get(asset) ?? [];
      if (points.length && points.at(-1).ms >= ms) continue;
      points.push({ ms, value: Number(profit) });
      if (points.length > POINTS_MAX) points = points.filter((_, index) => index % 2 === 0);
      this.curves.set(asset, points);
    }
  }

  takeOrder(order) {
    const known = this.orders.get(order.client_order_id);
    if (known !== undefined && Number(known.updated_seq) > Number(order.updated_seq)) return;
    this.orders.set(order.client_order_id, order);
    const ended = [...this.orders.values()].filter((one) => !isOpen(one));
    if (ended.length > 2 * KEPT) {
      ended.sort((a, b) => Number(a.updated_seq) - Number(b.updated_seq));
      for (const one of ended.slice(0, ended.length - KEPT)) this.orders.delete(one.client_order_id);
    }
  }

  takeFill(fill) {
    if (this.fills.some((known) => known.seq === fill.seq)) return;
    this.fills.push(fill);
    this.fills = this.fills.slice(-KEPT);
  }

  takeTrades({ symbol, items }) {
    const known = this.trades.get(symbol) ?? [];
    const newest = known.length ? Number(known.at(-1).seq) : -1;
    this.trades.set(symbol, [...known, ...items.filter((one) => Number(one.seq) > newest)].slice(-KEPT));
  }

  openOrders() {
    return [...this.orders.values()].filter(isOpen);
  }

  // Open ones first, newest first in each part.
  listedOrders() {
    const byNews = (a, b) => Number(b.updated_seq) - Number(a.updated_seq);
    const all = [...this.orders.values()];
    const open = all.filter(isOpen).sort((a, b) => Number(b.seq) - Number(a.seq));
    return [...open, ...all.filter((one) => !isOpen(one)).sort(byNews).slice(0, KEPT)];
  }

  service(name) {
    return this.pulse?.services.find((one) => one.service === name);
  }

  bookSight(symbol) {
    return this.pulse?.books.find((one) => one.symbol === symbol);
  }
}
