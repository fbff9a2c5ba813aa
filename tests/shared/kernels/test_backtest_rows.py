"""Rows that stop the backtest engine and rows that do not: untrusted books and gates."""

from shared.kernels.backtest import BOOK, END, REPORT, TRADE
from shared.kernels.gates import Gate

BUY, SELL = 0, 1
A_LEVEL, A_TRADE, CLEAR, INVALID = range(4)


def test_an_invalid_or_crossed_book_matches_and_decides_nothing(whole_book, engine_of):
    messages = [
        (0, 10, whole_book([(100, 2)], [(103, 5)])),
        (0, 20, [(INVALID, 0, 0, 0)]),
        (0, 30, [(A_TRADE, SELL, 90, 100)]),
        (0, 40, [(A_LEVEL, BUY, 99, 1)]),
        (0, 50, whole_book([(100, 2)], [(103, 5)])),
        (0, 60, [(A_LEVEL, BUY, 104, 1)]),
        (0, 70, [(A_TRADE, SELL, 90, 100)]),
    ]
    engine = engine_of(messages)
    stops = []

    def send(e):
        e.submit(0, 1, BUY, 101, 4)

    while (code := engine.run()) != END:
        stops.append((engine.now_ns, code))
        if len(stops) == 1:
            send(engine)

    # a lost trust is said once; the order that was there first stays and is not filled
    assert stops == [(10, BOOK), (10, REPORT), (20, BOOK), (50, BOOK), (60, BOOK)]
    assert engine.position_lots(0) == 0
    assert engine.submit(0, 2, BUY, 101, 1) == 0


def test_a_gate_is_asked_before_every_stop(whole_book, engine_of):
    class Odd(Gate):
        def __init__(self):
            self.asked = []

        def on_book(self, book, now_ns, position_lots):
            self.asked.append(("book", now_ns, book.bid_lots, position_lots))
            return now_ns == 20

        def on_trade(self, side, price_ticks, qty_lots, now_ns):
            self.asked.append(("trade", now_ns, side, price_ticks, qty_lots))
            return qty_lots > 3

        def on_timer(self, now_ns, book):  # noqa: ARG002
            self.asked.append(("timer", now_ns))
            return False

    messages = [
        (0, 10, whole_book([(100, 2)], [(103, 5)])),
        (0, 20, [(A_LEVEL, BUY, 100, 3)]),
        (0, 30, [(A_TRADE, SELL, 100, 3), (A_TRADE, SELL, 100, 4)]),
        (0, 40, [(A_LEVEL, BUY, 100, 4)]),
    ]
    engine = engine_of(messages)
    gate = Odd()
    engine.wants(0, True, True)
    engine.set_gate(0, gate)
    engine.set_step_ns(25)

    stops = []
    while (code := engine.run()) != END:
        stops.append((engine.now_ns, code))

    assert stops == [(20, BOOK), (30, TRADE)]
    assert gate.asked == [
        ("book", 10, 2, 0),
        ("book", 20, 3, 0),
        ("trade", 30, SELL, 100, 3),
        ("trade", 30, SELL, 100, 4),
        ("timer", 35),
        ("book", 40, 4, 0),
    ]
