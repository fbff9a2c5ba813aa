"""A real capture through the whole mesh while its stream loses, doubles, swaps, delays and cuts frames."""

import csv
import dataclasses
import gzip
import json
from decimal import Decimal

import pytest

from services.cli import config
from services.fused.assemble import assemble
from services.replay.invariants import check_log
from services.report.export import Wanted, book_lines
from services.venue_sim.settings import FaultSchedule
from shared.messages import market, orders
from shared.units import NS_PER_S

SYMBOL = "binance_usdm:BTCUSDT"
CAPTURE = "usdm_btcusdt_20240808.raw.gz"


def frame_times(path):
    """Return the receive time of each depth event by its `u`, and the first receive time of the capture."""
    times, first = {}, 0
    with gzip.open(path) as file:
        for line in file:
            stamp, _, frame = line.partition(b" ")
            first = first or int(stamp)
            if b'"e":"depthUpdate"' in frame[:80]:
                times[json.loads(frame)["data"]["u"]] = int(stamp)
    return times, first


def closed_windows(events):
    """Return (from, to) mesh times in which the book was declared unusable."""
    windows, since = [], 0
    for event in events:
        if isinstance(event.message, market.BookInvalid):
            since = since or event.header.ts_ns
        elif isinstance(event.message, market.BookSnapshot) and since:
            windows.append((since, event.header.ts_ns))
            since = 0
    return windows


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", ["drop", "double", "swap", "cut", "delay"])
@pytest.mark.req("MD-4", "MD-2", "I-31", "M-01", "B-03")
def test_every_gap_closes_the_book_and_all_that_is_trusted_equals_the_oracle(captures, kind):
    path = captures / "binance_hft" / CAPTURE
    fitted, _ = config.for_replay(config.load("deploy/paper.yaml", {}), [SYMBOL], [str(path)])
    sections = config.sections(fitted)
    schedule = FaultSchedule(seed=7, every_frames=3000, kinds=(kind,), delay_ms=1500)
    sections["venue_sim"] = dataclasses.replace(sections["venue_sim"], fault_schedule=schedule)
    events = []
    run = assemble(sections, build="test", store=lambda stored: events.append(stored.event))
    run.run()
    run.settle()

    books = {book["update_id"]: book for book in book_lines(iter(events), Wanted()) if book["trusted"]}
    times, first = frame_times(path)
    origin_ns = run.venue.origin_ns
    windows = closed_windows(events)
    shown = hidden = 0
    with (captures / "binance_hft" / "top_of_book_usdm_btcusdt.csv").open() as file:
        for row in csv.DictReader(file):
            book = books.get(int(row["depth_u"]))
            if book is None:
                at_ns = origin_ns + times[int(row["depth_u"])] - first
                assert any(a - NS_PER_S // 10 <= at_ns <= b + 2 * NS_PER_S for a, b in windows), row
                hidden += 1
                continue
            for name in ("bid_px", "bid_qty", "ask_px", "ask_qty"):
                assert Decimal(book[name]) == Decimal(row[name]), (row, book)
            shown += 1
    assert len(run.venue.injected) > 10
    assert shown > hidden * 5
    assert check_log(events).problems == []
    assert any(isinstance(event.message, orders.OrderIntent) for event in events)
