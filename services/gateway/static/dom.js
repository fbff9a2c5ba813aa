// Making and changing elements. Texts enter by textContent alone: nothing from the log is ever markup.

const SVG = "http://www.w3.org/2000/svg";

export const byId = (id) => document.getElementById(id);

export function el(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

export function svg(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

function filled(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "text") node.textContent = value;
    else node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

export function setText(node, text) {
  const wanted = String(text ?? "");
  if (node.textContent !== wanted) node.textContent = wanted;
}

export function setAttribute(node, name, value) {
  if (value === null || value === undefined || value === "") {
    if (node.hasAttribute(name)) node.removeAttribute(name);
  } else if (node.getAttribute(name) !== String(value)) {
    node.setAttribute(name, String(value));
  }
}

// A table that keeps its rows: only what changed is written, so that selections and screen readers stay.
// A column is {title, of(item) -> text or {text, class, title}, class}.
export class Table {
  constructor(place, columns, empty, keyOf) {
    this.columns = columns;
    this.keyOf = keyOf;
    this.rows = new Map();
    this.body = el("tbody");
    const head = el("tr", {}, ...columns.map((one) => el("th", { class: one.class ?? "", scope: "col", text: one.title })));
    this.empty = el("p", { class: "empty", text: empty });
    this.table = el("table", {}, el("thead", {}, head), this.body);
    place.replaceChildren(this.table, this.empty);
  }

  show(items) {
    this.empty.hidden = items.length > 0;
    this.table.hidden = items.length === 0;
    const gone = new Set(this.rows.keys());
    let before = null;
    for (const item of items) {
      const key = this.keyOf(item);
      gone.delete(key);
      let row = this.rows.get(key);
      if (row === undefined) {
        row = el("tr", {}, ...this.columns.map((one) => el("td", { class: one.class ?? "" })));
        this.rows.set(key, row);
      }
      this.fill(row, item);
      const place = before === null ? this.body.firstChild : before.nextSibling;
      if (place !== row) this.body.insertBefore(row, place);
      before = row;
    }
    for (const key of gone) {
      this.rows.get(key).remove();
      this.rows.delete(key);
    }
  }

  fill(row, item) {
    this.columns.forEach((column, index) => {
      const said = column.of(item);
      const cell = row.children[index];
      const { text, tone = "", title = "" } = typeof said === "object" && said !== null ? said : { text: said };
      setText(cell, text);
      setAttribute(cell, "data-tone", tone);
      setAttribute(cell, "title", title);
    });
  }
}
