"""The walk over columns: where it stops, in which order, and that it is the same uncompiled."""

import os
import subprocess
import sys
from array import array
from pathlib import Path

import pytest

from shared.kernels import walk, walk_lane
from shared.kernels.book import Book
from shared.kernels.gates import Gate
from shared.kernels.matching import RestingQueue
from shared.kernels.trade_candles import TradeCandles
from shared.kernels.walk_lane import Lane, Seat

ROOT = Path(__file__).resolve().parents[3]
LEVEL, TRADE, CLEAR, INVALID, FUNDING, MARK, LAST = 0, 1, 2, 3, 4, 5, 0x80
NEVER_NS = 2**63 - 1
BOOK = [(10, CLEAR, 0, 0, 0), (10, LEVEL, 100, 5, 0), (10, LEVEL | LAST, 102, 7, 1)]


def lane_of(rows, queue=None):
    """Return a lane of rows (time, kind, price, lots, side)."""
    columns = [array(code, [row[at] for row in rows]) for code, at in zip("qBiqB", range(5), strict=True)]
    times, kinds, prices, lots, sides = map(memoryview, columns)
    lane = Lane(Book(), RestingQueue() if queue is None else queue)
    lane.add_file(times, times, kinds, sides, prices, lots, 0, len(rows))
    return lane


def walker_of(*lanes, tick_ns=100, first_tick_ns=NEVER_NS):
    made = walk.Walker(tick_ns, 1000)
    for lane in lanes:
        made.add(lane)
    made.next_tick_ns = first_tick_ns
    made.risk_due_ns = NEVER_NS
    return made


def quiet_seat():
    seat = Seat()
    seat.is_awake = seat.hears_books = seat.hears_trades = seat.hears_ticks = False
    return seat


def stops(walker, lane, most=100):
    """Return (code, time, kind, row) of each stop until the end."""
    found = []
    while (code := walker.run(most, NEVER_NS)) != walk.END:
        found.append((code, walker.now_ns, walker.kind, lane.row))
    return found


def test_a_whole_book_a_lost_one_and_funding_are_stops_and_nothing_else_is():
    rows = [*BOOK, (20, LEVEL | LAST, 100, 6, 0), (30, TRADE | LAST, 100, 1, 1), (31, MARK | LAST, 101, 0, 0)]
    rows += [(40, FUNDING | LAST, 101, 5, 0), (50, INVALID | LAST, 0, 0, 0), (60, LEVEL | LAST, 100, 9, 0)]
    lane = lane_of(rows)
    lane.is_quiet = True

    found = stops(walker_of(lane), lane)

    assert found == [
        (walk.EVENT, 10, walk.SNAPSHOT, 2),
        (walk.EVENT, 40, walk.FUNDED, 6),
        (walk.EVENT, 50, walk.INVALIDATED, 7),
    ]
    assert lane.book.lots_at(0, 100) == 6
    assert (lane.fresh_ns, lane.mark_half_ticks) == (20, 202)


def test_an_awake_seat_hears_every_book_and_trade_and_a_sleeping_one_what_its_gate_lets_through():
    rows = [*BOOK, (20, LEVEL | LAST, 100, 6, 0), (30, TRADE | LAST, 100, 1, 1)]
    awake, asleep = Seat(), quiet_seat()
    asleep.gate, asleep.hears_trades = Gate(), True
    lane = lane_of(rows)
    lane.seats.extend([awake, asleep])
    walker = walker_of(lane)

    heard = []
    while walker.run(9, NEVER_NS) != walk.END:
        heard.append((walker.kind, awake.is_called, asleep.is_called))

    assert heard == [(walk.SNAPSHOT, True, True), (walk.UPDATE, True, False), (walk.TRADED, True, True)]


def test_trades_of_a_message_come_before_its_levels():
    rows = [*BOOK, (20, LEVEL, 100, 1, 0), (20, TRADE, 100, 4, 1), (20, TRADE | LAST, 99, 2, 1)]
    lane = lane_of(rows)
    lane.seats.append(Seat())
    walker = walker_of(lane)

    found = []
    while walker.run(9, NEVER_NS) != walk.END:
        found.append((walker.kind, lane.row, lane.book.lots_at(0, 100)))

    assert found == [(walk.SNAPSHOT, 2, 5), (walk.TRADED, 4, 5), (walk.TRADED, 5, 5), (walk.UPDATE, 5, 1)]
    assert walker.event_count == 2


def test_of_equal_times_the_first_lane_comes_first_and_the_tick_last():
    first, second = lane_of(BOOK), lane_of(BOOK)
    seat = quiet_seat()
    seat.hears_ticks = True
    second.seats.append(seat)
    second_rows = lane_of([*BOOK, (11, LEVEL | LAST, 100, 6, 0)])
    second_rows.seats.append(seat)
    walker = walker_of(first, second_rows, first_tick_ns=10)

    found = []
    while (code := walker.run(9, NEVER_NS)) != walk.END:
        found.append((code, walker.now_ns, walker.lane is first))

    assert found == [(walk.EVENT, 10, True), (walk.EVENT, 10, False), (walk.TICK, 10, False)]


def test_what_falls_due_stops_before_the_event_that_passes_it_or_at_the_tick_before():
    lane = lane_of([*BOOK, (60, LEVEL | LAST, 100, 6, 0), (250, LEVEL | LAST, 100, 7, 0)])
    walker = walker_of(lane, first_tick_ns=110)
    walker.run(9, NEVER_NS)
    walker.due_ns = 55
    assert (walker.run(9, NEVER_NS), walker.now_ns, lane.book.lots_at(0, 100)) == (walk.DUE, 60, 5)

    walker.due_ns, walker.is_forced = 105, True
    assert (walker.run(9, NEVER_NS), walker.now_ns, lane.book.lots_at(0, 100)) == (walk.EVENT, 60, 6)
    assert (walker.run(9, NEVER_NS), walker.now_ns, walker.flags) == (walk.TICK, 110, walk.BROKER)


def test_our_place_in_the_queue_follows_and_a_trade_through_it_stops():
    """5 lots are ahead of our 3: 6 traded leave one for us."""
    queue = RestingQueue()
    lane = lane_of([*BOOK, (20, TRADE | LAST, 100, 2, 1), (30, TRADE | LAST, 100, 4, 1)], queue)
    walker = walker_of(lane)
    walker.run(9, NEVER_NS)
    queue.add(0, 77, 100, 3, 5)
    lane.watch_orders([100], [])

    code = walker.run(9, NEVER_NS)

    assert (code, walker.now_ns, walker.flags, lane.fills) == (walk.EVENT, 30, walk.FILLED, [(77, 1)])
    assert lane.value(walk_lane.LOTS) == 4


def test_a_book_beyond_our_order_or_a_level_that_we_took_of_stops():
    rows = [*BOOK, (20, LEVEL | LAST, 99, 1, 0), (30, LEVEL | LAST, 102, 3, 1), (40, LEVEL | LAST, 100, 0, 0)]
    lane = lane_of([*rows, (50, LEVEL | LAST, 98, 4, 1)])
    walker = walker_of(lane)
    walker.run(9, NEVER_NS)
    lane.watch_orders([99], [])
    lane.watch_taken([(1, 102)])

    walker.run(9, NEVER_NS)
    assert (walker.now_ns, walker.flags) == (30, walk.FOLLOW)
    walker.run(9, NEVER_NS)
    assert (walker.now_ns, walker.flags & walk.CROSSED) == (50, walk.CROSSED)


def test_a_tick_is_heard_when_an_order_rests_in_a_book_that_is_too_old_or_the_mark_leaves_its_band():
    lane = lane_of([*BOOK, (2000, LEVEL | LAST, 100, 6, 0)])
    walker = walker_of(lane, tick_ns=500, first_tick_ns=510)
    walker.run(9, NEVER_NS)
    lane.has_orders = True
    assert (walker.run(9, NEVER_NS), walker.now_ns, walker.flags) == (walk.TICK, 1510, walk.BROKER)

    lane.has_orders, lane.mark_low = False, 203
    walker.next_tick_ns = 1600
    assert (walker.run(9, NEVER_NS), walker.now_ns, walker.flags) == (walk.TICK, 1600, walk.RISK)


def test_rows_of_a_message_that_was_cut_off_are_left_out():
    lane = lane_of([*BOOK, (20, LEVEL | LAST, 100, 6, 0), (30, LEVEL, 100, 9, 0)])

    stops(walker_of(lane), lane)

    assert lane.book.lots_at(0, 100) == 6


def test_candles_are_told_once_a_second_and_when_a_minute_is_over():
    """A trade 0.9 s into a minute comes too late for the one before it; one at 1 s closes that one, flat."""
    candles = TradeCandles()

    assert candles.is_silent(60_900, 10, 1)
    assert not candles.is_silent(61_000, 12, 4)
    assert candles.take(61_000, 12, 4) == [
        (0, 10, 10, 10, 10, 0, 0, True),
        (60_000, 12, 12, 12, 12, 4, 1, False),
    ]
    assert candles.is_silent(61_999, 9, 2)
    assert not candles.is_silent(62_000, 15, 1)
    assert candles.take(62_000, 15, 1) == [(60_000, 12, 15, 9, 15, 7, 3, False)]
    assert candles.take(121_000, 8, 1) == [
        (60_000, 12, 15, 9, 15, 7, 3, True),
        (120_000, 8, 8, 8, 8, 1, 1, False),
    ]


@pytest.mark.parametrize("kernels", ["python"])
def test_the_walk_is_the_same_uncompiled(kernels, tmp_path):
    script = """
import sys
sys.path.insert(0, "tests/services/backtest")
from pathlib import Path
import test_array_run as run
from conftest import small_sections
from services.backtest.array_run import ArrayMarket
from services.backtest.generate import Flow, generate
from shared.columns import Columns
import hashlib
path = Path(sys.argv[1])
if not path.exists():
    generate(Flow(event_count=2500, seed=5, regime="adverse", mean_gap_us=30_000, level_count=30), path)
columns = Columns.open(path)
market = ArrayMarket(columns.header.rules, [columns])
sections = run.with_candles(small_sections(params=run.MAKER))
said, made = run.array(sections, [market])
assert said.count(run.orders.OrderIntent) > 5
print(hashlib.sha256(repr(list(said)).encode()).hexdigest(), made.digest())
"""
    found = []
    for words in ("auto", kernels):
        done = subprocess.run(
            [sys.executable, "-c", script, str(tmp_path / "flow.columns")],
            cwd=ROOT,
            env={**os.environ, "QUOTEMESH_KERNELS": words, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        found.append(done.stdout)

    assert found[0] == found[1]
