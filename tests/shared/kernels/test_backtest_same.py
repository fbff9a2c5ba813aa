"""Compiled and uncompiled engines walk the same data to the same records, in both clocks."""

STREAM = """
import hashlib
from array import array

from shared.kernels import is_compiled
from shared.kernels.backtest import BOOK, END, REPORT, Engine
from shared.kernels.backtest_rules import SkewedMaker, run_function, skewed_maker
from shared.kernels.hashing import draw_below

counter = 0
def pick(bound):
    global counter
    counter += 1
    return draw_below(20261122, counter, bound)

def flow(rows):
    columns = (array("q"), array("q"), array("B"), array("B"), array("i"), array("q"))
    now, centre = 10**9, 700_000
    def add(kind, side, price, lots, last=True):
        late = now + 400_000 + pick(300_000) if not columns[1] else max(columns[1][-1], now + pick(700_000))
        for column, value in zip(columns, (now, late, kind | (0x80 if last else 0), side, price, lots)):
            column.append(value)
    def whole():
        add(2, 0, 0, 0, False)
        for depth in range(12):
            add(0, 0, centre - depth, 1 + pick(500), False)
            add(0, 1, centre + 1 + depth, 1 + pick(500), depth == 11)
    whole()
    for step in range(rows):
        now += pick(2_000_000)
        what = pick(40)
        if what == 0:
            add(3, 0, 0, 0)
            whole()
        elif what == 1:
            centre += pick(5) - 2
            whole()
        elif what < 9:
            add(1, pick(2), centre + pick(3) - 1, 1 + pick(300))
        elif what == 9:
            add(4, 0, centre, pick(20_000) - 10_000)
        elif what == 10:
            add(0, 0, centre - 40_000 - pick(9), pick(9))
        else:
            side, depth = pick(2), pick(8)
            price = centre - depth if side == 0 else centre + 1 + depth
            add(0, side, price, (0, 1 + pick(500), 1 + pick(500))[pick(3)])
    return columns

digest = hashlib.sha256()
markets = [flow(1500), flow(700)]
for is_exchange in (False, True):
    for model, is_partial in (("pro_rata", True), ("behind", False), ("log", True), ("power3", True)):
        for way in range(4):
            engine = Engine(1_000_000, 500_000, model, is_partial, is_exchange)
            for columns in markets[: 1 + (way == 3)]:
                engine.add_market(*columns, tick_lot_atoms=10, maker_fee_ppm=200, taker_fee_ppm=700)
            engine.set_samples(100_000_000)
            if way == 0:
                engine.run_rule(SkewedMaker(20, 200, 4_000_000, 500_000), 10_000_000)
            elif way == 1:
                engine.latency.set_sampled(5, 2_000_000, 500_000, 100_000, 20_000, 9, 300_000)
                engine.run_rule(SkewedMaker(20, 200, 4_000_000, 500_000), 0)
            elif way == 2:
                run_function(engine, skewed_maker(200, 4_000_000, 500_000), 7_000_000, 30)
            else:
                engine.wants(0, True, True)
                handle = 0
                while (code := engine.run()) != END:
                    digest.update(repr((engine.now_ns, code, engine.market, engine.row)).encode())
                    if code == REPORT:
                        digest.update(repr(engine.take_reports()).encode())
                    elif pick(4) == 0:
                        handle += 1
                        book = engine.local_book(handle % 2)
                        price = max(1, (book.bid_ticks if pick(2) else book.ask_ticks) + pick(5) - 2)
                        price = price if pick(9) else 0
                        engine.submit(handle % 2, handle, pick(2), price, 1 + pick(60), pick(3))
                        engine.cancel(handle % 2, max(0, handle - 10))
            engine.finish()
            digest.update(repr((engine.fills.take(), engine.orders.take(), engine.funding.take())).encode())
            digest.update(repr((engine.samples.take(), engine.cash_atoms)).encode())
            digest.update(repr((engine.max_drawdown_atoms, engine.equity_atoms)).encode())
            digest.update(repr((engine.event_count, engine.decision_count, engine.sent_lots)).encode())
print(is_compiled(), digest.hexdigest())
"""


def test_both_kinds_of_engines_say_the_same(both_kinds):
    compiled, uncompiled = both_kinds(STREAM)

    assert len(compiled) == 1
    assert uncompiled == compiled
