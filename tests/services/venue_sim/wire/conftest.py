"""A simulated venue with its wire, and a client that signs as the documents say."""

import base64
import hmac
import json
from urllib.parse import urlencode

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from services.venue_sim.access.limits import Limits
from services.venue_sim.build import make_venue
from services.venue_sim.connection import StreamConnection
from services.venue_sim.exchange.keys import keys_of
from services.venue_sim.settings import MarketSettings, VenueSimSettings
from services.venue_sim.venue import SPOT, USDM
from services.venue_sim.wire.api_session import ApiSession
from services.venue_sim.wire.http import VenueWire
from services.venue_sim.wire.user_streams import UserStreams

NS_PER_MS = 1_000_000
MARKETS = (
    MarketSettings(
        symbol="binance_usdm:BTCUSDT", tick_size="0.10", lot_size="0.001", start_price="60000", touch_lots=400
    ),
    MarketSettings(
        symbol="binance:BTCUSDT", tick_size="0.01", lot_size="0.00001", start_price="60000", touch_lots=20_000
    ),
)


class Answer:
    """Status, headers and decoded body."""

    def __init__(self, status, headers, body):
        self.status = status
        self.headers = dict(headers)
        self.raw = body
        self.json = json.loads(body) if body[:1] in b"{[" and body else None

    @property
    def code(self):
        return self.json["code"]


class Client:
    """Speaks to one venue without a socket; the clock stands unless `step` moves it."""

    def __init__(self, bench, venue, key):
        self.bench = bench
        self.venue = venue
        self.key = key
        self.wire = bench.wires[venue]

    def sign(self, payload):
        return hmac.digest(self.key.secret.encode(), payload.encode(), "sha256").hex()

    def query(self, params):
        stamped = {**params, "timestamp": self.bench.now_ms}
        text = urlencode(stamped)
        return f"{text}&signature={self.sign(text)}"

    def send(self, method, path, body=b"", headers=(), ip="127.0.0.1", **params):
        """Send a signed request."""
        return self.raw(method, f"{path}?{self.query(params)}", body, headers, ip)

    def raw(self, method, target, body=b"", headers=(), ip="127.0.0.1"):
        """Send a request as it stands, with the key."""
        sent = (("X-MBX-APIKEY", self.key.api_key), *headers)
        return Answer(*self.wire.http(method, target, sent, body, self.bench.now_ns, ip))

    def public(self, path):
        return Answer(*self.wire.http("GET", path, (), b"", self.bench.now_ns))

    def session(self, target=""):
        return Session(self, ApiSession(self.wire, target, self.bench.now_ns))


class Session:
    """A WebSocket API connection of a client."""

    def __init__(self, client, inner):
        self.client = client
        self.inner = inner

    def ask(self, method, request_id="1", **params):
        """Send a request as it stands."""
        return self.take({"id": request_id, "method": method, "params": params})

    def send(self, method, request_id="1", **params):
        """Send a signed request."""
        named = {**params, "apiKey": self.client.key.api_key, "timestamp": self.client.bench.now_ms}
        text = "&".join(f"{name}={value}" for name, value in sorted(named.items()))
        named["signature"] = self.client.sign(text)
        return self.take({"id": request_id, "method": method, "params": named})

    def take(self, request):
        (answer,) = self.inner.take(json.dumps(request), self.client.bench.now_ns)
        return json.loads(answer)

    def events(self):
        return [json.loads(event) for event in self.inner.events(self.client.bench.now_ns)]


class Signer:
    """An Ed25519 key of the account."""

    def __init__(self, bench):
        self.private = Ed25519PrivateKey.generate()
        public = self.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        kept = bench.client().key
        self.key = msgspec.structs.replace(kept, api_key="ed", key_type="ed25519", secret=public.decode())
        bench.sim.exchange.add_key(self.key)
        self.bench = bench

    def log_on(self, session):
        params = {"apiKey": "ed", "timestamp": self.bench.now_ms}
        payload = "&".join(f"{name}={value}" for name, value in sorted(params.items()))
        params["signature"] = base64.b64encode(self.private.sign(payload.encode())).decode()
        return session.take({"id": "on", "method": "session.logon", "params": params})


class Bench:
    """Both venues over one exchange, in virtual time."""

    def __init__(self, **settings):
        settings.setdefault("markets", MARKETS)
        self.settings = VenueSimSettings(regime="quiet", **settings)
        self.sim = make_venue(self.settings)
        self.now_ns = self.sim.origin_ns
        self.streams = UserStreams(self.sim.exchange)
        self.limits = {venue: Limits(venue) for venue in (SPOT, USDM)}
        self.wires = {
            venue: VenueWire(venue, self.sim.exchange, self.streams, self.limits[venue], self.sim)
            for venue in (SPOT, USDM)
        }
        self.step(1000)

    @property
    def now_ms(self):
        return self.now_ns // NS_PER_MS

    def step(self, ms):
        """Let time pass, in steps of the flow."""
        end_ns = self.now_ns + ms * NS_PER_MS
        while self.now_ns < end_ns:
            self.now_ns = min(end_ns, self.now_ns + 50 * NS_PER_MS)
            frames = self.sim.advance(self.now_ns)
            for wire in self.wires.values():
                wire.advance(self.now_ns, frames)
        return self

    def client(self, venue=SPOT, account=0):
        return Client(self, venue, keys_of(self.settings)[account])

    def listen(self, key, target=None):
        """Connect a private stream; returns a function that tells the new events."""
        connection = StreamConnection(self.sim, USDM, self.streams, self.now_ns)
        connection.open(target or f"/private/ws/{key}")
        return lambda: [json.loads(data) for data in connection.events(self.now_ns)]

    def best(self, venue=SPOT):
        """Return (best bid, best ask) as texts."""
        path = "/api/v3/depth" if venue == SPOT else "/fapi/v1/depth"
        status, body = self.sim.request(venue, "GET", f"{path}?symbol=BTCUSDT&limit=5", self.now_ns)
        assert status == 200, body
        book = json.loads(body)
        return book["bids"][0][0], book["asks"][0][0]


@pytest.fixture
def bench():
    return Bench()


@pytest.fixture
def make_bench():
    return Bench


@pytest.fixture
def signer(bench):
    return Signer(bench)


@pytest.fixture
def spot(bench):
    return bench.client(SPOT)


@pytest.fixture
def usdm(bench):
    return bench.client(USDM)
