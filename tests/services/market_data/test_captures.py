"""Real Binance captures through the pure feed, judged by an independent stream of the same recording."""

import csv
import json
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
SHIFT_NS = 1_270_000_000


def oracle_rows(captures, name):
    with (captures / "binance_hft" / f"{name}.csv").open() as file:
        return {
            int(row["depth_u"]): tuple(Decimal(row[k]) for k in ("bid_px", "bid_qty", "ask_px", "ask_qty"))
            for row in csv.DictReader(file)
        }


def play(kit, captures, venue, mutate=lambda frames: frames):
    """Play a capture; return the rig and the touch after each applied depth event, by its last id."""
    files, oracle, channel, (tick, lot) = SETS[venue]
    lines = [
        (ts + SHIFT_NS, raw)
        for ts, raw in kit.capture_lines(*(captures / "binance_hft" / f"{f}.raw.gz" for f in files))
    ]
    recorded = next(raw for _, raw in lines if raw.startswith(b'{"lastUpdateId"'))
    truth = kit.PlainBook()

    def respond(_venue, target):
        if "exchangeInfo" in target:
            return 200, kit.exchange_info("BTCUSDT", tick=tick, lot=lot)
        return 200, truth.body(5000) if truth.last_id else recorded

    rig = kit.Rig(kit.one_market(venue, depth_channel=channel), respond)
    rig.now_ns = lines[0][0] - 100_000_000
    rig.start()
    assert rig.core.ready
    consumer = kit.LogBook(f"{venue}:BTCUSDT", tick, lot)
    touches, seen = {}, 0
    is_after_snapshot = False
    for ts, raw, is_lost in mutate([(ts, raw, False) for ts, raw in lines]):
        if raw.startswith(b'{"lastUpdateId"'):
            truth.load(json.loads(raw))
            is_after_snapshot = True
            continue
        if b'"depthUpdate"' not in raw[:90] and b"@trade" not in raw[:40]:
            continue
        if raw.startswith(b"cut"):
            rig.at(ts)
            rig.disconnect(venue)
            continue
        if b'"depthUpdate"' in raw[:90] and is_after_snapshot:
            diff = json.loads(raw)["data"]
            if diff["u"] > truth.last_id:
                truth.apply(diff)
        if is_lost:
            continue
        rig.at(ts)
        rig.raw(venue, raw.replace(b"@trade", b"@aggTrade") if venue == "binance_usdm" else raw)
        for message in rig.said[seen:]:
            if consumer.take(message):
                touches[consumer.last_id] = consumer.touch()
        seen = len(rig.said)
    return rig, touches, oracle_rows(captures, oracle)


@pytest.mark.req("MD-4", "MD-7", "MD-8", "I-31")
@pytest.mark.parametrize("venue", SETS)
def test_books_of_a_real_capture_equal_the_oracle_in_every_row(kit, captures, venue):
    rig, touches, oracle = play(kit, captures, venue)

    assert len(oracle) > 120
    assert {u: touches.get(u) for u in oracle} == oracle
    assert not rig.of(kit.BookInvalid)[1:]
