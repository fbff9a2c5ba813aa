"""Real Binance spot captures of 2021, four markets on one connection, against an independent rebuild."""

import gzip
import json
from decimal import Decimal

import pytest

NAMES = ("NKNUSDT", "BLZETH", "LRCBTC", "RUNEEUR")


def answers(path):
    """Return {target: body} of a recorded REST file."""
    out = {}
    with gzip.open(path, "rt") as file:
        for line in file:
            if " -> " in line and line.startswith("https"):
                url, _, rest = line.partition(" -> ")
                out[url.removeprefix("https://api.binance.com")] = rest.partition(": ")[2]
    return out


class Recording:
    """The three recorded files, and an independent book per market."""

    def __init__(self, kit, folder):
        self.info = answers(folder / "BINANCE.0.gz")["/api/v3/exchangeInfo"]
        self.books = answers(folder / "BINANCE.http.0.0.gz")
        with gzip.open(folder / "BINANCE.ws.1.0.gz", "rt") as file:
            lines = [line.partition(": ")[::2] for line in list(file)[1:] if line.strip()]
        self.frames = [(int(float(ts) * 1e9), text.strip()) for ts, text in lines if "@depth" in text]
        listed = {one["symbol"]: one for one in json.loads(self.info)["symbols"]}
        self.filters = {n: {f["filterType"]: f for f in listed[n]["filters"]} for n in NAMES}
        self.plain = {name: kit.PlainBook() for name in NAMES}
        for name in NAMES:
            self.plain[name].load(json.loads(self.respond("", f"depth?symbol={name}&")[1]))

    def respond(self, _venue, target):
        if "exchangeInfo" in target:
            return 200, self.info.encode()
        name = target.partition("symbol=")[2].partition("&")[0]
        return 200, self.books[f"/api/v3/depth?symbol={name}&limit=1000"].encode()

    def steps(self, name):
        return self.filters[name]["PRICE_FILTER"]["tickSize"], self.filters[name]["LOT_SIZE"]["stepSize"]


def assert_equal(consumer, plain):
    """Compare all levels; the venue made steps of NKNUSDT coarser once, and orders off them still rest."""
    for side, levels in enumerate((plain.bids, plain.asks)):
        own = {p * consumer.tick: q * consumer.lot for p, q in consumer.book.levels(side, 100_000)}
        floored = {p: q // consumer.lot * consumer.lot for p, q in levels.items()}
        assert own == {p: q for p, q in floored.items() if q and p % consumer.tick == 0}


@pytest.mark.req("MD-1", "MD-4", "MD-8", "MD-20", "MD-21")
def test_four_recorded_spot_markets_equal_an_independent_rebuild_at_every_event(kit, captures):
    recording = Recording(kit, captures / "cryptofeed")
    feed = kit.MarketDataSettings(
        venues=(kit.FeedVenue(name="binance", symbols=NAMES),), depth_stale_ms=60_000
    )
    rig = kit.Rig(feed, recording.respond)
    rig.now_ns = recording.frames[0][0] - 200_000_000
    rig.start()
    consumers = {name: kit.LogBook(f"binance:{name}", *recording.steps(name)) for name in NAMES}

    seen = compared = usable = 0
    for recv_ns, text in recording.frames:
        rig.at(max(rig.now_ns, recv_ns))
        rig.raw("binance", text.encode())
        diff = json.loads(text)["data"]
        plain = recording.plain[diff["s"]]
        if diff["u"] > plain.last_id:
            plain.apply(diff)
            usable += 1
        for said in rig.said[seen:]:
            for name, consumer in consumers.items():
                if consumer.take(said) and consumer.last_id == recording.plain[name].last_id:
                    assert_equal(consumer, recording.plain[name])
                    compared += 1
        seen = len(rig.said)

    assert compared == usable > 170
    assert rig.core.venues["binance"].counters.stray_count > 0
    assert {m.symbol for m in rig.of(kit.BookUpdate)} == {f"binance:{name}" for name in NAMES}
    assert {m.reason for m in rig.of(kit.BookInvalid)} == {"disconnected"}
    for rules in rig.of(kit.InstrumentRules):
        filters = recording.filters[rules.symbol.partition(":")[2]]
        assert rules.min_qty_lots * Decimal(rules.lot_size) == Decimal(filters["LOT_SIZE"]["minQty"])
        least = Decimal(filters["MIN_NOTIONAL"]["minNotional"])
        assert Decimal(rules.min_notional_atoms).scaleb(-rules.quote_exponent) == least
