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


@pytest.mark.req("MD-1", "MD-4", "MD-8", "MD-20", "MD-21")
def test_four_recorded_spot_markets_equal_an_independent_rebuild_at_every_event(kit, captures):
    folder = captures / "cryptofeed"
    info = answers(folder / "BINANCE.0.gz")["/api/v3/exchangeInfo"]
    books = answers(folder / "BINANCE.http.0.0.gz")
    with gzip.open(folder / "BINANCE.ws.1.0.gz", "rt") as file:
        frames = [line.partition(": ")[::2] for line in list(file)[1:] if line.strip()]
    venue = kit.FeedVenue(name="binance", symbols=NAMES)
    filters = {s["symbol"]: {f["filterType"]: f for f in s["filters"]} for s in json.loads(info)["symbols"]}
    plain = {name: kit.PlainBook() for name in NAMES}

    def respond(_venue, target):
        if "exchangeInfo" in target:
            return 200, info.encode()
        name = target.partition("symbol=")[2].partition("&")[0]
        return 200, books[f"/api/v3/depth?symbol={name}&limit=1000"].encode()

    rig = kit.Rig(kit.MarketDataSettings(venues=(venue,), depth_stale_ms=60_000), respond)
    rig.now_ns = int(float(frames[0][0]) * 1e9) - 200_000_000
    rig.start()
    consumers = {
        name: kit.LogBook(
            f"binance:{name}",
            filters[name]["PRICE_FILTER"]["tickSize"],
            filters[name]["LOT_SIZE"]["stepSize"],
        )
        for name in NAMES
    }
    for name in NAMES:
        plain[name].load(json.loads(respond("", f"depth?symbol={name}&")[1]))
    early = sum(
        "@depth" in text and json.loads(text)["data"]["u"] <= plain[json.loads(text)["data"]["s"]].last_id
        for _, text in frames
    )

    seen = compared = depth_count = 0
    for ts, text in frames:
        rig.at(max(rig.now_ns, int(float(ts) * 1e9)))
        message = json.loads(text)
        is_depth = "@depth" in message["stream"]
        depth_count += is_depth
        diff = message["data"]
        if is_depth:
            rig.raw("binance", text.strip().encode())
        if is_depth and diff["u"] > plain[diff["s"]].last_id:
            plain[diff["s"]].apply(diff)
        for said in rig.said[seen:]:
            for name, consumer in consumers.items():
                if consumer.take(said) and consumer.last_id == plain[name].last_id:
                    for side, levels in enumerate((plain[name].bids, plain[name].asks)):
                        own = consumer.book.levels(side, 100_000)
                        # The venue made steps of NKNUSDT coarser once: orders off them still rest.
                        floored = {p: q // consumer.lot * consumer.lot for p, q in levels.items()}
                        on_tick = {p: q for p, q in floored.items() if q and p % consumer.tick == 0}
                        assert {p * consumer.tick: q * consumer.lot for p, q in own} == on_tick
                    compared += 1
        seen = len(rig.said)

    assert compared == depth_count - early > 170
    assert rig.core.venues["binance"].counters.stray_count > 0
    assert {m.symbol for m in rig.of(kit.BookUpdate)} == {f"binance:{name}" for name in NAMES}
    assert {m.reason for m in rig.of(kit.BookInvalid)} == {"disconnected"}
    rules = {m.symbol: m for m in rig.of(kit.InstrumentRules)}
    for name in NAMES:
        lot = Decimal(filters[name]["LOT_SIZE"]["stepSize"])
        one = rules[f"binance:{name}"]
        assert one.min_qty_lots * lot == Decimal(filters[name]["LOT_SIZE"]["minQty"])
        least = Decimal(filters[name]["MIN_NOTIONAL"]["minNotional"])
        assert Decimal(one.min_notional_atoms).scaleb(-one.quote_exponent) == least
