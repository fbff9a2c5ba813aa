"""Generated markets: what the streams say is what the matching core did, and it repeats."""

import json
import math
from collections import defaultdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.venue_sim.build import make_venue
from services.venue_sim.generated import GeneratedVenue
from services.venue_sim.settings import MarketSettings, VenueSimSettings
from services.venue_sim.streams import agg_trade
from shared.errors import ConfigError

MS = 1_000_000
SECOND = 1000 * MS
MARKETS = [("binance_usdm", "BTCUSDT"), ("binance_usdm", "ETHUSDT"), ("binance", "BTCUSDT")]


def depth(venue, at, name, limit=1000):
    path = "/fapi/v1/depth" if at == "binance_usdm" else "/api/v3/depth"
    status, body = venue.request(at, "GET", f"{path}?symbol={name}&limit={limit}", 0)
    assert status == 200, body
    return json.loads(body)


def play(venue, seconds, step_ms=100):
    frames = []
    for n in range(seconds * 1000 // step_ms + 1):
        frames += venue.advance(venue.origin_ns + n * step_ms * MS)
    return frames


class ClientBook:
    """A client that follows Binance's published rules and nothing else."""

    def __init__(self, venue, snapshot):
        self.venue = venue
        self.update_id = snapshot["lastUpdateId"]
        self.is_first = True
        self.sides = {"b": dict(snapshot["bids"]), "a": dict(snapshot["asks"])}

    def take(self, diff):
        if diff["u"] <= self.update_id:
            return
        if self.venue == "binance_usdm":
            assert self.is_first or diff["pu"] == self.update_id
            assert diff["pu"] <= self.update_id
        else:
            assert diff["U"] <= self.update_id + 1 if self.is_first else diff["U"] == self.update_id + 1
        for side in "ba":
            prices = [float(price) for price, _ in diff[side]]
            assert prices == sorted(prices, reverse=self.venue == "binance" and side == "b")
            for price, quantity in diff[side]:
                self.sides[side][price] = quantity
                if float(quantity) == 0:
                    del self.sides[side][price]
        self.update_id = diff["u"]
        self.is_first = False

    def best(self):
        bid = max(self.sides["b"], key=float)
        ask = min(self.sides["a"], key=float)
        return bid, self.sides["b"][bid], ask, self.sides["a"][ask]


@pytest.mark.req("BT-7")
@pytest.mark.parametrize("regime", ["mixed", "trend", "jump", "adverse", "quiet"])
def test_snapshot_and_diffs_rebuild_the_true_book_exactly(regime):
    venue = GeneratedVenue(VenueSimSettings(seed=3, regime=regime))
    venue.advance(venue.origin_ns + 50 * MS)
    # A snapshot between two diffs, as a client meets it.
    books = {key: ClientBook(key[0], depth(venue, *key)) for key in MARKETS}

    for n in range(2, 400):
        for frame in venue.advance(venue.origin_ns + n * 50 * MS):
            if frame.stream.endswith("@depth"):
                diff = json.loads(frame.data)
                assert diff["E"] * MS == venue.origin_ns + n * 50 * MS
                books[frame.venue, diff["s"]].take(diff)

    for key, book in books.items():
        truth = depth(venue, *key)
        assert book.update_id == truth["lastUpdateId"]
        assert dict(truth["bids"]) == book.sides["b"]
        assert dict(truth["asks"]) == book.sides["a"]
        assert len(truth["bids"]) >= 100
        assert len(truth["asks"]) >= 100


@pytest.mark.req("BT-7")
def test_the_touch_of_the_diffs_is_the_book_ticker_with_the_same_id_and_never_crossed():
    venue = GeneratedVenue(VenueSimSettings(seed=5))
    books = {key: ClientBook(key[0], depth(venue, *key)) for key in MARKETS}
    tickers, checked = {}, 0

    for frame in play(venue, 20, step_ms=50):
        data = json.loads(frame.data)
        key = (frame.venue, data["s"])
        if frame.stream.endswith("@bookTicker"):
            tickers[key] = data
            assert float(data["b"]) < float(data["a"])
        elif frame.stream.endswith("@depth"):
            books[key].take(data)
            ticker = tickers.get(key)
            if ticker and ticker["u"] <= data["u"]:
                assert books[key].best() == (ticker["b"], ticker["B"], ticker["a"], ticker["A"])
                checked += 1

    assert checked > 500


@pytest.mark.req("BT-7")
def test_trade_ids_follow_each_other_and_trades_print_on_the_tick():
    ids = defaultdict(list)

    for frame in play(GeneratedVenue(VenueSimSettings(seed=9)), 20):
        if frame.stream.endswith("@trade"):
            trade = json.loads(frame.data)
            ids[frame.venue, trade["s"]].append(trade["t"])
            tick = 0.01 if (frame.venue, trade["s"]) != ("binance_usdm", "BTCUSDT") else 0.1
            assert math.isclose(float(trade["p"]) / tick, round(float(trade["p"]) / tick), abs_tol=1e-4)
            assert float(trade["q"]) > 0

    assert set(ids) == set(MARKETS)
    for seen in ids.values():
        assert seen == list(range(seen[0], seen[0] + len(seen)))


@pytest.mark.req("BT-7")
@given(st.lists(st.integers(1, 400), min_size=1, max_size=20), st.integers(0, 1000))
@settings(max_examples=15, deadline=None)
def test_the_same_seed_gives_the_same_frames_however_time_is_cut(pauses_ms, seed):
    one, other = (GeneratedVenue(VenueSimSettings(seed=seed, regime="jump")) for _ in range(2))
    at_ns, frames = one.origin_ns, []

    for pause_ms in pauses_ms:
        at_ns += pause_ms * MS
        frames += one.advance(at_ns)

    assert frames == other.advance(at_ns)


@pytest.mark.req("BT-7")
def test_other_seeds_and_regimes_give_other_markets():
    def fingerprint(seed, regime):
        return hash(tuple(play(GeneratedVenue(VenueSimSettings(seed=seed, regime=regime)), 3)))

    prints = {
        fingerprint(seed, regime) for seed in (1, 2) for regime in ("trend", "jump", "adverse", "quiet")
    }
    assert len(prints) == 8


@pytest.mark.req("BT-7")
@pytest.mark.parametrize("seed", range(1, 21))
def test_every_seed_swings_far_enough_for_a_grid_within_a_minute_at_a_moderate_rate(seed):
    venue = GeneratedVenue(VenueSimSettings(seed=seed))
    lows, highs, count = {}, {}, 0

    for frame in play(venue, 60):
        if not frame.stream.endswith("@bookTicker"):
            count += 1
        if frame.stream.endswith("@trade"):
            trade = json.loads(frame.data)
            key = (frame.venue, trade["s"])
            lows[key] = min(lows.get(key, math.inf), float(trade["p"]))
            highs[key] = max(highs.get(key, 0), float(trade["p"]))

    for (at, name), low in lows.items():
        start = 3000 if name == "ETHUSDT" else 60000
        assert low < start * (1 - 0.0015), (at, name)
        assert highs[at, name] > start * (1 + 0.0015), (at, name)
    assert count / 60 < 70


@pytest.mark.req("BT-7")
def test_a_restart_after_a_clean_stop_goes_on_as_if_nothing_had_happened():
    wanted = VenueSimSettings(seed=8)
    whole, first = GeneratedVenue(wanted), GeneratedVenue(wanted)
    half_ns = whole.origin_ns + 2_150 * MS
    whole.advance(half_ns)
    first.advance(half_ns)

    second = GeneratedVenue(wanted, first.state(is_clean=True))
    second.resume(second.due_ns())

    assert second.notice == ""
    assert second.advance(half_ns + 2 * SECOND) == whole.advance(half_ns + 2 * SECOND)


def newest_ids(frames):
    ids = {}
    for frame in frames:
        data = json.loads(frame.data)
        if frame.stream.endswith("@trade"):
            ids[frame.venue, frame.stream] = data["t"]
        elif frame.stream.endswith("@depth"):
            ids[frame.venue, frame.stream] = data["u"]
    return ids


def oldest_ids(frames):
    return newest_ids(list(reversed(frames)))


@pytest.mark.req("BT-7")
@pytest.mark.parametrize("lost", ["newest", "all", "damaged", "other settings"])
def test_ids_never_go_back_and_prices_go_on_when_the_newest_state_was_lost(lost):
    wanted = VenueSimSettings(seed=8)
    first = GeneratedVenue(wanted)
    frames = first.advance(first.origin_ns + 5 * SECOND)
    state = first.state(is_clean=False)
    price = depth(first, "binance", "BTCUSDT")["bids"][0][0]
    frames += first.advance(first.origin_ns + 6 * SECOND)
    state = {"newest": state, "all": None, "damaged": state[:-9], "other settings": state}[lost]

    again = GeneratedVenue(VenueSimSettings(seed=9) if lost == "other settings" else wanted, state)
    again.resume(first.origin_ns + 6 * SECOND)
    start = depth(again, "binance", "BTCUSDT")
    later = again.advance(first.origin_ns + 12 * SECOND)

    assert bool(again.notice) == (lost in {"damaged", "other settings"})
    newest, oldest = newest_ids(frames), oldest_ids(later)
    assert all(oldest[key] > newest[key] for key in newest)
    assert start["lastUpdateId"] > newest["binance", "btcusdt@depth"]
    if lost == "newest":
        assert start["bids"][0][0] == price


def test_a_paused_venue_goes_on_instead_of_replaying_the_pause():
    venue = GeneratedVenue(VenueSimSettings())
    venue.advance(venue.origin_ns + SECOND)

    venue.resume(venue.origin_ns + 3600 * SECOND)

    assert venue.due_ns() == venue.origin_ns + 3600 * SECOND
    assert len(venue.advance(venue.origin_ns + 3600 * SECOND)) < 100


def test_streams_are_told_from_names_and_aggregates_come_from_trades():
    venue = make_venue(VenueSimSettings())

    assert venue.source("binance", "btcusdt@depth@100ms") == "btcusdt@depth"
    assert venue.source("binance_usdm", "ethusdt@depth@500ms") == "ethusdt@depth"
    assert venue.source("binance_usdm", "ethusdt@aggTrade") == "ethusdt@trade"
    for at, name in [
        ("binance", "ethusdt@trade"),
        ("binance", "BTCUSDT@trade"),
        ("binance", "btcusdt@depth5"),
    ]:
        assert not venue.streams_of(at, name)
    trade = next(f for f in play(venue, 5) if f.stream == "ethusdt@trade")
    raw, made = json.loads(trade.data), json.loads(agg_trade("binance_usdm", trade.data))
    assert list(made) == ["e", "E", "a", "s", "p", "q", "f", "l", "T", "m"]
    assert (made["a"], made["p"], made["q"], made["m"]) == (raw["t"], raw["p"], raw["q"], raw["m"])


def market(**changes):
    base = {"symbol": "binance:BTCUSDT", "tick_size": "0.01", "lot_size": "0.001", "start_price": "100"}
    return MarketSettings(**(base | changes))


@pytest.mark.parametrize(
    ("markets", "message"),
    [
        ((market(symbol="kraken:BTCUSD"),), "no market of binance or binance_usdm"),
        ((market(symbol="binance:BTC/USDT"),), "no market of"),
        ((market(tick_size="abc"),), "no number"),
        ((market(tick_size="0"),), "above 0"),
        ((market(tick_size="NaN"),), "above 0"),
        ((market(lot_size="0.000000001"),), "at most 8 decimals"),
        ((market(start_price="1"),), "at least 1000 ticks"),
        ((market(), market()), "twice"),
    ],
)
def test_markets_that_cannot_be_generated_are_refused_with_what_to_do(markets, message):
    with pytest.raises(ConfigError, match=message):
        GeneratedVenue(VenueSimSettings(markets=markets))
