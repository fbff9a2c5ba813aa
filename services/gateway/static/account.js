// The mode, in a colour that nobody overlooks, and the accounts at venues where there are any.

import { byId, setAttribute, setText, Table } from "./dom.js";
import { integer } from "./format.js";

const MODES = {
  paper: "Paper trading: no order leaves this machine.",
  testnet: "Testnet: orders go out with play money.",
  live: "LIVE: orders go out with real money.",
};

const since = (ms) => (ms === null ? "never" : ms < 10000 ? `${(ms / 1000).toFixed(1)} s` : ms < 6e6 ? `${integer(Math.round(ms / 1000))} s` : `${integer(Math.round(ms / 60000))} min`);

export class Account {
  constructor() {
    this.table = new Table(byId("account"), [
      { title: "What", of: ([name]) => name, class: "strong" },
      { title: "State", of: ([, state, , tone]) => ({ text: state, tone }), class: "state" },
      { title: "More", of: ([, , more]) => more, class: "text" },
    ], "", ([name]) => name);
  }

  show(account) {
    setText(byId("mode"), account.mode === "live" ? "LIVE" : account.mode);
    setText(byId("mode-text"), MODES[account.mode] ?? account.mode);
    setAttribute(document.body, "data-mode", account.mode);
    byId("account-panel").hidden = account.mode === "paper";
    if (account.mode !== "paper") this.table.show(lines(account));
  }
}

function lines(account) {
  const doubt = account.unknown_count;
  const { difference: newest } = account;
  const compared = account.is_reconciled ? "as at the venue" : account.reconciled_ms === null ? "not reconciled" : "differs";
  return [
    ...account.venues.map((one) => [one.venue, linkText(one), linkMore(one), one.is_reachable && one.is_user_stream_up ? "good" : "bad"]),
    ["orders in doubt", integer(doubt), doubt ? `the oldest for ${since(account.oldest_unknown_ms)}` : "", doubt ? "bad" : "good"],
    ["reconciliation", compared, [account.reconciled_ms === null ? "" : `${since(account.reconciled_ms)} ago`, account.reconciled_text].filter(Boolean).join("; "), account.is_reconciled ? "good" : "bad"],
    ["differences", integer(account.difference_count), newest ? `${newest.symbol} ${newest.kind.replaceAll("_", " ")}: ours ${newest.ours || "nothing"}, theirs ${newest.theirs || "nothing"}; ${newest.repair}` : "", newest?.is_halted ? "bad" : account.difference_count ? "" : "good"],
    ["dead man's switch", account.dead_man.includes("DOES NOT RUN") ? "weak" : "armed", account.dead_man, account.dead_man.includes("DOES NOT RUN") ? "bad" : "good"],
  ];
}

const linkText = (one) => (one.is_reachable ? (one.is_user_stream_up ? "connected" : "user stream down") : one.banned_until_ns === 0 ? "not reachable" : "banned");

function linkMore(one) {
  const stream = one.user_stream_ms === null ? "" : `user stream ${one.is_user_stream_up ? "up" : "down"} for ${since(one.user_stream_ms)}`;
  return [`${one.network}, key ${one.key || "none"}`, stream, one.reason].filter(Boolean).join("; ");
}
