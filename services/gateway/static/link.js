// The WebSocket: begins again by itself with growing pauses, and notices when nothing is said any more.

import { token } from "./session.js";

const SILENCE_MS = 4000;
const PAUSES_MS = [500, 1000, 2000, 4000, 8000, 15000];
const TOKEN_REFUSED = 4401;

// `told(channel, data)` takes what is pushed; `changed(link)` follows `state`: connecting, live or down.
export class Link {
  constructor(told, changed, refused) {
    this.told = told;
    this.changed = changed;
    this.refused = refused;
    this.state = "connecting";
    this.attempts = 0;
    this.heardMs = 0;
    this.retryAtMs = 0;
    this.socket = null;
    this.timer = null;
    this.watch = setInterval(() => this.check(), 500);
    this.hurry = () => this.state === "down" && document.visibilityState === "visible" && this.open();
    addEventListener("online", this.hurry);
    document.addEventListener("visibilitychange", this.hurry);
    this.markets = [];
    this.open();
  }

  open() {
    clearTimeout(this.timer);
    const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/api/v1/ws`);
    this.socket = socket;
    this.openedMs = Date.now();
    socket.onopen = () => {
      socket.send(JSON.stringify({ token: token() }));
      this.subscribe(this.markets);
    };
    socket.onmessage = (event) => socket === this.socket && this.take(JSON.parse(event.data));
    socket.onclose = (event) => socket === this.socket && this.lost(event.code);
  }

  subscribe(markets) {
    this.markets = markets;
    if (this.socket?.readyState !== WebSocket.OPEN) return;
    const channels = ["book", "trades", "orders", "fills", "status"];
    this.socket.send(JSON.stringify({ op: "subscribe", channels, symbols: [], markets }));
  }

  take(said) {
    this.heardMs = Date.now();
    if (said.op === "subscribed" && this.state !== "live") {
      this.attempts = 0;
      this.become("live");
    } else if (said.channel) {
      this.told(said.channel, said.data);
    }
  }

  // A socket may look open long after the other end is gone: a pulse is due each second.
  check() {
    const quietMs = Date.now() - Math.max(this.heardMs, this.openedMs);
    if (this.state === "down" ? this.socket !== null && quietMs > SILENCE_MS : quietMs > SILENCE_MS) this.lost(0);
  }

  lost(code) {
    const socket = this.socket;
    this.socket = null;
    socket?.close();
    if (code === TOKEN_REFUSED) {
      this.end();
      this.refused();
      return;
    }
    const pauseMs = PAUSES_MS[Math.min(this.attempts, PAUSES_MS.length - 1)] * (0.8 + 0.4 * Math.random());
    this.attempts += 1;
    this.retryAtMs = Date.now() + pauseMs;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.open(), pauseMs);
    this.become("down");
  }

  become(state) {
    this.state = state;
    this.changed(this);
  }

  end() {
    clearInterval(this.watch);
    clearTimeout(this.timer);
    removeEventListener("online", this.hurry);
    document.removeEventListener("visibilitychange", this.hurry);
    const socket = this.socket;
    this.socket = null;
    socket?.close();
  }
}
