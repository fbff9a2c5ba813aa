"""Real Binance captures through the pure feed, judged by an independent stream of the same recording."""

import csv
import heapq
import json
import random
from decimal import Decimal

import pytest

SETS = {
    "binance_usdm": (["usdm_btcusdt_20240808"], "top_of_book_usdm_btcusdt", "depth@0ms", ("0.10", "0.001")),
    "binance": (
        ["spot_btcusdt_20240808", "spot_btcusdt_20240809"],
        "top_of_book_spot_btcusdt",
        "depth@100ms",
        ("0.01000000", "0.00000001"),
    ),
}
# The recorder's clock ran 1.27 s behind the venue's.
SHIFT_NS = 1_270_000_000
S = 1_000_000_000


def oracle_rows(captures, name):
    with (captures / "binance_hft" / f"{name}.csv").open() as file:
        return {
            int(row["depth_u"]): tuple(Decimal(row[k]) for k in ("bid_px", "bid_qty", "ask_px", "ask_qty"))
            for row in csv.DictReader(file)
        }


class Play:
    """One capture against the feed; the venue's own book answers REST, whatever reaches the feed."""

    def __init__(self, kit, captures, venue):
        files, oracle, channel, (tick, lot) = SETS[venue]
        paths = (captures / "binance_hft" / f"{file}.raw.gz" for file in files)
        self.kit, self.venue = kit, venue
        self.lines = [(ts + SHIFT_NS, raw) for ts, raw in kit.capture_lines(*paths)]
        self.recorded = next(raw for _, raw in self.lines if raw.startswith(b'{"lastUpdateId"'))
        self.oracle = oracle_rows(captures, oracle)
        self.truth = kit.PlainBook()
        self.info = kit.exchange_info("BTCUSDT", tick=tick, lot=lot)
        self.rig = kit.Rig(kit.one_market(venue, depth_channel=channel), self.respond)
        self.rig.now_ns = self.lines[0][0] - S // 10
        self.consumer = kit.LogBook(f"{venue}:BTCUSDT", tick, lot)
        self.early = []
        self.books_compared = 0
        self.touches = {}
        self.seen = 0
        self.rig.start()

    def respond(self, _venue, target):
        if "exchangeInfo" in target:
            return 200, self.info
        return 200, self.truth.body(5000) if self.truth.last_id else self.recorded

    def live(self, raw):
        """Let the venue itself go on."""
        if raw.startswith(b'{"lastUpdateId"'):
            self.truth.load(json.loads(raw))
            diffs = self.early
        elif b'"depthUpdate"' in raw[:90]:
            diffs = [json.loads(raw)["data"]]
        else:
            return
        for diff in diffs:
            if not self.truth.last_id:
                self.early.append(diff)
            elif diff["u"] > self.truth.last_id:
                self.truth.apply(diff)

    def deliver(self, raw):
        self.rig.raw(self.venue, raw.replace(b"@trade", b"@aggTrade") if self.venue != "binance" else raw)
        return self.read()

    def read(self):
        """Apply what was said since the last call, as a consumer of the log does."""
        new = self.rig.said[self.seen :]
        self.seen = len(self.rig.said)
        for message in new:
            self.compare(message)
            if self.consumer.take(message):
                self.touches[self.consumer.last_id] = self.consumer.touch()
        return new

    def compare(self, message):
        """Hold the best 20 levels of every whole book against the venue's, where that is known so far."""
        if isinstance(message, self.kit.BookSnapshot) and message.last_update_id == self.truth.last_id:
            book = self.kit.Book()
            book.snapshot(message.levels, message.bid_count, 1)
            bids = sorted(self.truth.bids, reverse=True)[:20]
            assert [price * self.consumer.tick for price, _ in book.levels(0, 20)] == bids
            asks = sorted(self.truth.asks)[:20]
            assert [price * self.consumer.tick for price, _ in book.levels(1, 20)] == asks
            self.books_compared += 1


def is_followed(venue, diff, last_id):
    return diff["U"] == last_id + 1 if venue == "binance" else diff["pu"] == last_id


@pytest.mark.req("MD-4", "MD-7", "MD-8", "I-31")
@pytest.mark.parametrize("venue", SETS)
def test_books_of_a_real_capture_equal_the_oracle_in_every_row(kit, captures, venue):
    play = Play(kit, captures, venue)
    assert play.rig.core.ready

    for ts, raw in play.lines:
        play.rig.at(ts)
        play.live(raw)
        if b"@depth" in raw[:40] or b"@trade" in raw[:40]:
            play.deliver(raw)

    assert len(play.oracle) > 120
    assert {u: play.touches.get(u) for u in play.oracle} == play.oracle
    assert len(play.rig.of(kit.BookInvalid)) == 1
    assert len(play.rig.of(kit.Trade)) > 19_000
    assert {m.reason for m in play.rig.of(kit.BookSnapshot)} == {"start", "period"}
    assert play.books_compared >= 2


def disturbed(lines, seed):
    """Deliveries (time, order, kind, raw) of the depth frames, about one in 200 with a fault."""
    draw = random.Random(seed)
    out = []
    depth = [(ts, raw) for ts, raw in lines if b"@depth" in raw[:40]]
    skip = False
    for i, (ts, raw) in enumerate(depth):
        if skip:
            skip = False
            continue
        fault = (
            draw.choice([*2 * ["drop", "double", "swap", "delay"], "cut"]) if draw.random() < 1 / 200 else ""
        )
        if i < 20 or not fault:
            out.append((ts, i, "", raw))
        elif fault == "double":
            out += [(ts, i, "", raw), (ts, i, "double", raw)]
        elif fault == "swap" and i + 1 < len(depth):
            out += [(ts, i, "", depth[i + 1][1]), (ts, i + 1, "swap", raw)]
            skip = True
        elif fault == "delay":
            out.append((ts + draw.randrange(60, 900) * 1_000_000, i, "delay", raw))
        elif fault == "cut":
            out.append((ts, i, "cut", b""))
    return sorted(out)


@pytest.mark.req("MD-2", "MD-4", "I-31", "I-32")
@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("venue", SETS)
def test_every_gap_is_found_at_that_event_and_all_rows_after_the_resync_are_right(kit, captures, venue, seed):
    play = Play(kit, captures, venue)
    consumer, deliveries = play.consumer, disturbed(play.lines, seed)
    applied_rows, gaps, faults, slowest_ns, gap_ns = set(), 0, 0, 0, 0

    for ts, _, kind, raw in heapq.merge(
        deliveries, ((ts, 10**9, "venue", raw) for ts, raw in play.lines if b"@trade" not in raw[:40])
    ):
        play.rig.at(ts)
        play.read()
        if kind == "venue":
            play.live(raw)
            continue
        faults += bool(kind)
        if kind == "cut":
            play.rig.disconnect(venue)
            play.read()
            gap_ns = 0
            assert not consumer.book.is_valid
            continue
        diff = json.loads(raw)["data"]
        was_open, last_id = consumer.book.is_valid, consumer.last_id
        new = play.deliver(raw)
        if consumer.book.is_valid and gap_ns:
            slowest_ns, gap_ns = max(slowest_ns, ts - gap_ns), 0
        if was_open and diff["u"] > last_id:
            if is_followed(venue, diff, last_id):
                assert consumer.last_id == diff["u"]
                applied_rows.add(diff["u"])
            else:
                gaps, gap_ns = gaps + 1, ts
                (invalid,) = [m for m in new if isinstance(m, kit.BookInvalid)]
                assert invalid.reason == "gap"
                assert not consumer.book.is_valid

    expected = {u: row for u, row in play.oracle.items() if u in applied_rows}
    assert faults > 15
    assert gaps > 5
    assert slowest_ns < 3 * S
    assert len(expected) > 80
    assert {u: play.touches[u] for u in expected} == expected


@pytest.mark.req("MD-8")
def test_spot_goes_on_over_midnight_with_two_files_and_one_snapshot(kit, captures):
    play = Play(kit, captures, "binance")

    for ts, raw in play.lines:
        play.rig.at(ts)
        if b"@depth" in raw[:40]:
            play.deliver(raw)

    midnight_ns = 1_723_161_600 * S
    updates = play.rig.of(kit.BookUpdate)
    assert {m.ts_venue_ns >= midnight_ns for m in updates} == {True, False}
    assert [m.update_n for m in updates] == list(range(2, len(updates) + 2))
    assert len(updates) == sum(b"@depth" in raw[:40] for _, raw in play.lines) - 2
