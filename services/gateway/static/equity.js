// The equity curve as an SVG of our own: area and line, a zero line, round ticks, and a readout at the pointer.

import { el, setAttribute, setText, svg } from "./dom.js";
import { signed, time } from "./format.js";

const HEIGHT = 190;
const MARGIN = { left: 58, right: 10, top: 10, bottom: 20 };

export class Equity {
  constructor(place) {
    this.points = [];
    this.asset = "";
    this.area = svg("path", { class: "area" });
    this.line = svg("path", { class: "line" });
    this.zero = svg("line", { class: "zero" });
    this.grid = svg("g", { class: "grid" });
    this.cursor = svg("g", { class: "cursor", visibility: "hidden" }, svg("line"), svg("circle", { r: 3.5 }));
    this.picture = svg("svg", { role: "img", height: HEIGHT, preserveAspectRatio: "none" }, this.grid, this.area, this.zero, this.line, this.cursor);
    this.readout = el("div", { class: "readout", hidden: "" });
    this.empty = el("p", { class: "empty", text: "No point yet." });
    place.replaceChildren(this.picture, this.readout, this.empty);
    this.picture.addEventListener("pointermove", (event) => this.point(event));
    this.picture.addEventListener("pointerleave", () => this.leave());
    new ResizeObserver(() => this.draw()).observe(place);
    this.place = place;
  }

  show(asset, points) {
    this.asset = asset;
    this.points = points;
    this.draw();
  }

  draw() {
    const width = this.place.clientWidth;
    const points = this.points;
    this.empty.hidden = points.length > 1;
    setAttribute(this.picture, "visibility", points.length > 1 ? "visible" : "hidden");
    if (width < 50 || points.length < 2) return;
    this.scale = scales(points, width);
    const { x, y, ticks } = this.scale;
    setAttribute(this.picture, "viewBox", `0 0 ${width} ${HEIGHT}`);
    setAttribute(this.picture, "width", width);
    const path = thinned(points, width).map(({ ms, value }) => `${x(ms).toFixed(1)},${y(value).toFixed(1)}`).join("L");
    const base = y(0).toFixed(1);
    setAttribute(this.line, "d", `M${path}`);
    setAttribute(this.area, "d", `M${x(points[0].ms).toFixed(1)},${base}L${path}L${x(points.at(-1).ms).toFixed(1)},${base}Z`);
    for (const [name, value] of Object.entries({ x1: MARGIN.left, x2: width - MARGIN.right, y1: base, y2: base })) setAttribute(this.zero, name, value);
    const last = points.at(-1).value;
    setAttribute(this.picture, "data-tone", last > 0 ? "gain" : last < 0 ? "loss" : "");
    this.grid.replaceChildren(...ticks.flatMap((tick) => [
      svg("line", { x1: MARGIN.left, x2: width - MARGIN.right, y1: y(tick), y2: y(tick) }),
      svg("text", { x: MARGIN.left - 8, y: y(tick) + 4, "text-anchor": "end", text: tickText(tick, ticks) }),
    ]), ...timeTicks(points, x, width));
    const values = points.map((point) => point.value);
    setAttribute(this.picture, "aria-label",
      `Profit and loss in ${this.asset} from ${time(points[0].ms)} to ${time(points.at(-1).ms)}: ` +
      `now ${signed(last)}, lowest ${signed(Math.min(...values))}, highest ${signed(Math.max(...values))}`);
  }

  point(event) {
    if (!this.scale || this.points.length < 2) return;
    const at = this.scale.msAt(event.clientX - this.picture.getBoundingClientRect().left);
    const found = this.points.reduce((best, one) => (Math.abs(one.ms - at) < Math.abs(best.ms - at) ? one : best));
    const [px, py] = [this.scale.x(found.ms), this.scale.y(found.value)];
    const [line, dot] = this.cursor.children;
    for (const [name, value] of Object.entries({ x1: px, x2: px, y1: MARGIN.top, y2: HEIGHT - MARGIN.bottom })) setAttribute(line, name, value);
    setAttribute(dot, "cx", px);
    setAttribute(dot, "cy", py);
    setAttribute(this.cursor, "visibility", "visible");
    this.readout.hidden = false;
    setText(this.readout, `${time(found.ms)}  ${signed(found.value)} ${this.asset}`);
    this.readout.style.left = `${Math.min(px + 8, this.place.clientWidth - 150)}px`;
  }

  leave() {
    setAttribute(this.cursor, "visibility", "hidden");
    this.readout.hidden = true;
  }
}

function scales(points, width) {
  const values = points.map((point) => point.value);
  const ticks = roundTicks(Math.min(0, ...values), Math.max(0, ...values));
  const [low, high] = [ticks[0], ticks.at(-1)];
  const [from, to] = [points[0].ms, points.at(-1).ms];
  const inner = { width: width - MARGIN.left - MARGIN.right, height: HEIGHT - MARGIN.top - MARGIN.bottom };
  return {
    ticks,
    x: (ms) => MARGIN.left + ((ms - from) / (to - from || 1)) * inner.width,
    y: (value) => MARGIN.top + ((high - value) / (high - low)) * inner.height,
    msAt: (px) => from + ((px - MARGIN.left) / inner.width) * (to - from),
  };
}

// About four steps of 1, 2 or 5 times a power of ten, from below the lowest to above the highest value.
function roundTicks(low, high) {
  const span = high - low || 1;
  const power = 10 ** Math.floor(Math.log10(span / 4));
  const step = power * [1, 2, 5, 10].find((one) => span / (one * power) <= 5);
  const ticks = [];
  for (let index = Math.floor(low / step); index <= Math.ceil(high / step - 1e-9); index += 1) ticks.push(index * step);
  return ticks.length > 1 ? ticks : [ticks[0], ticks[0] + step];
}

function tickText(value, ticks) {
  const step = ticks[1] - ticks[0];
  const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  return (value < 0 ? "\u2212" : "") + Math.abs(value).toFixed(digits);
}

function timeTicks(points, x, width) {
  const [from, to] = [points[0].ms, points.at(-1).ms];
  const count = Math.max(2, Math.min(6, Math.floor(width / 130)));
  return Array.from({ length: count }, (_, index) => {
    const ms = from + ((to - from) * index) / (count - 1);
    const anchor = index === 0 ? "start" : index === count - 1 ? "end" : "middle";
    return svg("text", { x: x(ms), y: HEIGHT - 4, "text-anchor": anchor, text: time(ms) });
  });
}

// At most two points a pixel: the lowest and the highest of each stretch, so that no spike is lost.
function thinned(points, width) {
  const stretch = Math.ceil(points.length / width);
  if (stretch < 2) return points;
  const kept = [];
  for (let start = 0; start < points.length; start += stretch) {
    const part = points.slice(start, start + stretch);
    const low = part.reduce((a, b) => (b.value < a.value ? b : a));
    const high = part.reduce((a, b) => (b.value > a.value ? b : a));
    kept.push(...(low.ms < high.ms ? [low, high] : low === high ? [low] : [high, low]));
  }
  return kept;
}
