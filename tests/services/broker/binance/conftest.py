"""An adapter and a simulated venue joined without sockets, in virtual time."""

import json
from urllib.parse import parse_qsl

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from services.broker.binance.adapter import BinanceAdapter
from services.broker.binance.settings import SPOT, BinanceSettings, Endpoints
from services.broker.keys import VenueKey
from services.venue_sim.access.limits import Limits
from services.venue_sim.build import make_venue
from services.venue_sim.exchange.keys import AccountKey, keys_of
from services.venue_sim.settings import MarketSettings, VenueSimSettings
from services.venue_sim.wire.api_session import PATHS, ApiSession
from services.venue_sim.wire.http import VenueWire
from services.venue_sim.wire.user_streams import UserStreams
from shared.execution import commands, reports
from shared.execution.outside import CloseSocket, HttpCall, OpenSocket, SendText
from shared.units import NS_PER_MS, Side
from tests.services.broker.binance.venue_words import STEPS, rules_of

MARKETS = (
    MarketSettings(
        symbol="binance_usdm:BTCUSDT", tick_size="0.10", lot_size="0.001", start_price="60000", touch_lots=400
    ),
    MarketSettings(
        symbol="binance:BTCUSDT", tick_size="0.01", lot_size="0.00001", start_price="60000", touch_lots=20_000
    ),
)


def pem(key):
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def public_pem(key):
    return (
        key.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
    )


def keys_for(kind):
    """Return the venue's side and ours of a key of one kind."""
    if kind == "hmac":
        secret = "s" * 40
        return secret, secret
    key = ed25519.Ed25519PrivateKey.generate() if kind == "ed25519" else rsa.generate_private_key(65537, 2048)
    return public_pem(key), pem(key)


class Private:
    """The venue's side of a private stream of USD-M."""

    def __init__(self, wire, target):
        key = dict(parse_qsl(target.partition("?")[2]))["listenKey"]
        self.key = key
        self.streams = wire.backend.streams
        self.heard = []
        self.is_cut = not self.streams.listen_to_key(key, self)

    def hear(self, _event, data):
        self.heard.append(data)

    def take(self, text, _now_ns):
        return [json.dumps({"result": [], "id": json.loads(text)["id"]}).encode()]

    def events(self, _now_ns=0):
        heard, self.heard = self.heard, []
        return heard

    def close(self):
        self.streams.leave_key(self.key, self)


class Joined:
    """One adapter, one venue; everything that leaves is answered at once unless it is held back.

    `said` are all reports; `http` and `frames` what left. A name in `silent` keeps its answers.
    """

    def __init__(self, venue=SPOT, kind="hmac", account=None, **settings):
        self.venue = venue
        sim_settings = VenueSimSettings(markets=MARKETS, regime="quiet")
        self.sim = make_venue(sim_settings)
        self.exchange = self.sim.exchange
        self.streams = UserStreams(self.exchange)
        self.limits = Limits(venue)
        self.wire = VenueWire(venue, self.exchange, self.streams, self.limits, self.sim)
        self.now_ns = self.sim.origin_ns
        self.skew_ns = 0
        theirs, ours = keys_for(kind)
        name = keys_of(sim_settings)[0].account
        self.exchange.add_key(AccountKey(f"key-{kind}", name, kind, theirs, **(account or {})))
        self.account = name
        self.key = VenueKey(f"key-{kind}", ours)
        self.said, self.http, self.frames, self.work = [], [], [], []
        self.sessions = {}
        self.waiting = []
        self.is_deaf = False
        self.is_api_refused = False
        self.trip_ns = 2 * NS_PER_MS
        url = f"http://{venue}.sim"
        self.settings = BinanceSettings(
            venue=venue,
            endpoints=Endpoints(url, f"ws://{venue}.sim{PATHS[venue]}", f"ws://{venue}.sim", url),
            symbols=(f"{venue}:BTCUSDT",),
            **settings,
        )
        self.adapter = BinanceAdapter(self.settings, self.key)

    # ---- life

    def start(self):
        self.play(1000)
        self.take(self.adapter.start(self.now_ns))
        self.take(self.adapter.on_rules(rules_of(self.venue), self.now_ns))
        self.run(200)
        return self

    def up(self):
        self.start()
        self.run(1000)
        assert reports.Reachable() in self.said, self.said
        assert reports.UserStreamUp() in self.said, self.said
        return self

    def up_without_stream(self):
        self.start()
        self.run(1000)
        assert reports.Reachable() in self.said, self.said
        return self

    def play(self, ms):
        self.now_ns += ms * NS_PER_MS
        self.wire.advance(self.venue_ns, self.sim.advance(self.venue_ns))

    @property
    def venue_ns(self):
        return self.now_ns + self.skew_ns

    def run(self, ms, step_ms=10):
        """Let time pass, long times in larger steps."""
        if ms > 8000:
            step_ms = 200
        for _ in range(ms // step_ms):
            self.play(step_ms)
            self.deliver()
            self.take(self.adapter.on_time(self.now_ns))
        return self

    # ---- what the adapter says

    def take(self, said):
        for item in said:
            self.work.append(item)
            if isinstance(item, HttpCall):
                self.http.append(item)
                self.waiting.append((self.now_ns + self.trip_ns, item))
            elif isinstance(item, OpenSocket):
                self.waiting.append((self.now_ns + item.after_ms * NS_PER_MS, item))
            elif isinstance(item, CloseSocket):
                self.sessions.pop(item.socket).close() if item.socket in self.sessions else None
            elif isinstance(item, SendText):
                self.frames.append(item)
                self.waiting.append((self.now_ns + self.trip_ns, item))
            else:
                self.said.append(item)

    def deliver(self):
        if self.is_deaf:
            return
        due = [item for at_ns, item in self.waiting if at_ns <= self.now_ns]
        self.waiting = [one for one in self.waiting if one[0] > self.now_ns]
        for item in due:
            self.carry(item)
        self.wire.advance(self.venue_ns)
        for socket, session in list(self.sessions.items()):
            for data in session.events(self.venue_ns):
                self.take(self.adapter.on_text(socket, data, self.now_ns))

    def carry(self, item):
        now_ns = self.now_ns
        if isinstance(item, HttpCall):
            status, headers, body = self.answer(item)
            self.take(self.adapter.on_http(item.call_id, status, headers, body, now_ns))
        elif isinstance(item, OpenSocket):
            path = item.url.partition(".sim")[2]
            if path.startswith(PATHS[self.venue]):
                if self.is_api_refused:
                    self.take(self.adapter.on_closed(item.socket, "refused", now_ns))
                    return
                self.sessions[item.socket] = ApiSession(self.wire, path, self.venue_ns)
            else:
                self.sessions[item.socket] = Private(self.wire, path)
            self.take(self.adapter.on_opened(item.socket, now_ns))
        elif isinstance(item, SendText) and item.socket in self.sessions:
            for answer in self.sessions[item.socket].take(item.text, self.venue_ns):
                self.take(self.adapter.on_text(item.socket, answer, now_ns))

    def answer(self, call):
        headers = [(name.lower(), value) for name, value in call.headers]
        status, answered, body = self.wire.http(call.method, call.target, headers, call.body, self.venue_ns)
        return status, [(name.lower(), value) for name, value in answered], body

    # ---- commands

    def ask(self, *asked, ms=100):
        """Carry out commands; return what was said meanwhile."""
        before = len(self.said)
        self.take(self.adapter.carry_out(asked, self.now_ns))
        self.run(ms)
        return self.said[before:]

    def best(self):
        """Return (best bid, best ask) in ticks."""
        path = "/api/v3/depth" if self.venue == SPOT else "/fapi/v1/depth"
        _, body = self.sim.request(self.venue, "GET", f"{path}?symbol=BTCUSDT&limit=5", self.venue_ns)
        book = json.loads(body)
        tick = float(STEPS[self.venue][0])
        return round(float(book["bids"][0][0]) / tick), round(float(book["asks"][0][0]) / tick)

    def place(self, request_id, client_order_id, *, away=1000, lots=None, side=Side.BUY, **fields):
        """Return a Place that rests `away` ticks behind the touch, or takes when that is negative."""
        bid, ask = self.best()
        price = bid - away if side is Side.BUY else ask + away
        if fields.get("order_type") == "market":
            price = 0
        lots = lots or (1000 if self.venue == SPOT else 10)
        fields = {"price_ticks": price, **fields}
        return commands.Place(
            request_id, client_order_id, f"{self.venue}:BTCUSDT", side, qty_lots=lots, **fields
        )

    @property
    def symbol(self):
        return f"{self.venue}:BTCUSDT"

    def paths(self):
        return [call.target.partition("?")[0] for call in self.http]

    def methods(self):
        return [json.loads(frame.text)["method"] for frame in self.frames]


def of(kind, said):
    """Return the reports of one kind."""
    return [report for report in said if isinstance(report, kind)]


@pytest.fixture
def joined():
    return Joined


@pytest.fixture
def only():
    return of
