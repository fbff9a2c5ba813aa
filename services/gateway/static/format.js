// Numbers and times as people read them. What comes from the gateway are exact texts; here they become shorter.

const groups = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

export const milliseconds = (ns) => Number(BigInt(ns) / 1000000n);

export function clock(ns) {
  return ns === null || ns === undefined ? "" : time(milliseconds(ns));
}

export function time(ms) {
  const at = new Date(ms);
  return [at.getHours(), at.getMinutes(), at.getSeconds()].map((n) => String(n).padStart(2, "0")).join(":");
}

export const moment = (ns) => new Date(milliseconds(ns)).toISOString();

export const integer = (value) => (value === null || value === undefined ? "–" : groups.format(Number(value)));

// "0.02497000" -> "0.02497": zeros at the end say nothing.
export function trimmed(text, least = 0) {
  if (text === null || text === undefined) return "–";
  const [whole, fraction = ""] = String(text).split(".");
  const kept = fraction.replace(/0+$/, "").padEnd(least, "0");
  return kept ? `${whole}.${kept}` : whole;
}

export const decimals = (texts) => Math.max(0, ...texts.map((text) => (trimmed(text).split(".")[1] ?? "").length));

export function money(text, digits = 2) {
  if (text === null || text === undefined) return "–";
  return new Intl.NumberFormat("en", {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
    useGrouping: true,
  }).format(Number(text));
}

export function signed(text, digits = 2) {
  if (text === null || text === undefined) return "–";
  const shown = money(Math.abs(Number(text)), digits);
  if (!/[1-9]/.test(shown)) return shown;
  return (Number(text) < 0 ? "\u2212" : "+") + shown;
}

// What is shown as zero has no colour either.
export const tone = (value) => (value === null || Math.abs(Number(value)) < 0.005 ? "" : Number(value) > 0 ? "gain" : "loss");

export const words = (text) => String(text).replaceAll("_", " ");

export const megabytes = (bytes) => (bytes ? `${Math.round(bytes / 1048576)} MB` : "–");

export function duration(ms) {
  if (ms < 1) return `${Math.round(ms * 1000)} µs`;
  return ms < 1000 ? `${ms < 10 ? ms.toFixed(1) : Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}
