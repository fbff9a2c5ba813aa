"""From a Place to signed bytes: what the adapters add before an order leaves, and what an answer costs.

Pure calls, no socket: the budget, filters, params and signature of one order, over the WebSocket API with a
session that is logged on (Ed25519) and signed per request (HMAC), and over REST with RSA.
"""

import json
import statistics
import time

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from services.bench.figures import Figure
from services.broker.binance.adapter import BinanceAdapter
from services.broker.binance.settings import SPOT, BinanceSettings, endpoints_at
from services.broker.keys import VenueKey
from shared.execution.commands import Place
from shared.execution.outside import HttpCall, OpenSocket, Said, SendText
from shared.execution.reports import Reachable
from shared.instrument import tick_lot_atoms
from shared.messages.market import InstrumentRules
from shared.units import NS_PER_S, Side

COUNT = 2000
START_NS = 1_800_000_000 * NS_PER_S
SYMBOL = "binance:BTCUSDT"
Key = ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey


def measure() -> list[Figure]:
    """Return the figures."""
    pem = _pem(ed25519.Ed25519PrivateKey.generate())
    rsa_pem = _pem(rsa.generate_private_key(65537, 2048))
    return [
        _figure("an order to bytes, session logged on (Ed25519)", pem, 60.0, has_api=True),
        _figure("an order to bytes, signed with HMAC", "s" * 64, 60.0, has_api=True),
        _figure("an order to bytes, signed with Ed25519 over REST", pem, 200.0, has_api=False),
        _figure("an order to bytes, signed with RSA over REST", rsa_pem, None, has_api=False),
    ]


def _pem(key: Key) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def _figure(name: str, secret: str, at_most: float | None, *, has_api: bool) -> Figure:
    rounds = place_us(secret, has_api=has_api)
    return Figure(
        name=name, value=round(statistics.median(rounds), 1), unit="us", at_most=at_most, rounds=rounds
    )


def place_us(secret: str, *, has_api: bool, count: int = COUNT) -> list[float]:
    """Return the microseconds from each of `count` Places to its signed bytes."""
    config = BinanceSettings(
        venue=SPOT,
        endpoints=endpoints_at(SPOT, "http://bench"),
        symbols=(SYMBOL,),
        creates_per_s=1000,
        creates_burst=1000,
    )
    bench = _Bench(BinanceAdapter(config, VenueKey("k" * 64, secret)), has_api=has_api)
    bench.begin()
    found = []
    for number in range(1, count + 1):
        place = Place(number, f"bench-m-b-{number}", SYMBOL, Side.BUY, 6_000_000, 1000)
        bench.now_ns += NS_PER_S // 100
        started_ns = time.perf_counter_ns()
        said = bench.adapter.carry_out([place], bench.now_ns)
        found.append((time.perf_counter_ns() - started_ns) / 1000)
        assert any(isinstance(item, HttpCall | SendText) for item in said), said
        bench.take(said)
    return found


class _Bench:
    """Answers the adapter as an obedient venue would."""

    def __init__(self, adapter: BinanceAdapter, *, has_api: bool) -> None:
        self.adapter = adapter
        self.now_ns = START_NS
        self._has_api = has_api
        self._is_reachable = False

    def begin(self) -> None:
        """Get as far as orders."""
        self.take(self.adapter.start(self.now_ns))
        self.take(self.adapter.on_rules(_rules(), self.now_ns))
        for _ in range(50):
            self.now_ns += NS_PER_S // 50
            self.take(self.adapter.on_time(self.now_ns))
        assert self._is_reachable, "the adapter was not taken by a venue that takes everybody"

    def take(self, said: Said) -> None:
        """Answer everything at once."""
        for item in said:
            if isinstance(item, HttpCall):
                body = _answer(item.target.partition("?")[0].rpartition("/")[2], self.now_ns)
                self.take(self.adapter.on_http(item.call_id, 200, (), body, self.now_ns))
            elif isinstance(item, SendText):
                asked = json.loads(item.text)
                result = _answer(asked["method"], self.now_ns)
                frame = b'{"id":"%s","status":200,"result":%s}' % (asked["id"].encode(), result)
                self.take(self.adapter.on_text(item.socket, frame, self.now_ns))
            elif isinstance(item, OpenSocket) and self._has_api:
                self.take(self.adapter.on_opened(item.socket, self.now_ns))
            elif isinstance(item, Reachable):
                self._is_reachable = True


def _rules() -> InstrumentRules:
    return InstrumentRules(
        symbol=SYMBOL,
        base_asset="BTC",
        quote_asset="USDT",
        tick_size="0.01",
        lot_size="0.00001",
        quote_exponent=8,
        tick_lot_atoms=tick_lot_atoms("0.01", "0.00001", 8),
        min_qty_lots=1,
        max_qty_lots=0,
        min_notional_atoms=0,
        min_price_ticks=1,
        max_price_ticks=0,
        maker_fee_ppm=1000,
        taker_fee_ppm=1000,
        is_derivative=False,
    )


def _answer(name: str, now_ns: int) -> bytes:
    filters = [
        {"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "1000000", "tickSize": "0.01"},
        {"filterType": "LOT_SIZE", "minQty": "0.00001", "maxQty": "9000", "stepSize": "0.00001"},
        {"filterType": "NOTIONAL", "minNotional": "5", "applyMinToMarket": True},
        {"filterType": "PERCENT_PRICE", "multiplierUp": "5", "multiplierDown": "0.2"},
    ]
    limit = {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 10**9}
    market = {"symbol": "BTCUSDT", "status": "TRADING", "filters": filters}
    answers: dict[str, object] = {
        "time": {"serverTime": now_ns // 1_000_000},
        "exchangeInfo": {"symbols": [market], "rateLimits": [limit]},
        "apiRestrictions": {"enableWithdrawals": False, "enableSpotAndMarginTrading": True},
        "avgPrice": {"price": "60000"},
        "userDataStream.subscribe": {"subscriptionId": 0},
        "userDataStream.subscribe.signature": {"subscriptionId": 0},
    }
    return json.dumps(answers.get(name, {})).encode()
