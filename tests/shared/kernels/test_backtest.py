"""The backtest engine: arrivals, queues, cancels and both clocks, worked out by hand."""

import pytest

from shared.kernels.backtest import (
    ACCEPTED,
    BOOK,
    CANCEL_REJECTED,
    CANCELED,
    END,
    EXPIRED,
    FILL,
    PAUSE,
    REJECTED,
    REJECTS,
    REPORT,
    STEP,
    TRADE,
    Engine,
)
from shared.kernels.backtest_rules import PlainSkewedMaker, SkewedMaker, run_function
from shared.kernels.gates import Gate

BUY, SELL = 0, 1
A_LEVEL, A_TRADE, CLEAR, INVALID = range(4)
IOC, FOK = 1, 2


def engine_of(columns, messages, *, latency=(0, 0), **options):
    fees = {name: options.pop(name) for name in ("maker_fee_ppm", "taker_fee_ppm") if name in options}
    engine = Engine(*latency, **options)
    engine.add_market(*columns(messages), tick_lot_atoms=10, **fees)
    engine.wants(0, True, False)
    return engine


def drive(engine, at_book=None, at_trade=None):
    """Run to the end; `at_book[n]` is called at book event n. Return the reports as (heard, kind, ...)."""
    heard, books, trades = [], 0, 0
    while (code := engine.run()) != END:
        if code == REPORT:
            heard += [(engine.now_ns, kind, *rest) for _, _, _, kind, *rest in engine.take_reports()]
        elif code == BOOK:
            books += 1
            if at_book and books in at_book:
                at_book[books](engine)
        elif code == TRADE:
            trades += 1
            if at_trade and trades in at_trade:
                at_trade[trades](engine)
    return heard


def kinds(heard):
    return [each[1] for each in heard]


def test_an_order_waits_for_its_place_in_the_queue(columns, whole_book):
    # given: 10 lots at 100; our 4 join behind them, 7 trade, then 6
    messages = [
        (0, 10, whole_book([(100, 10)], [(102, 5)])),
        (0, 20, [(A_LEVEL, BUY, 99, 1)]),
        (0, 30, [(A_TRADE, SELL, 100, 7)]),
        (0, 40, [(A_LEVEL, BUY, 100, 3)]),
        (0, 50, [(A_TRADE, SELL, 100, 6)]),
    ]
    engine = engine_of(columns, messages)

    # when
    heard = drive(engine, {1: lambda e: e.submit(0, 1, BUY, 100, 4)})

    # then: 3 were ahead of us, so 3 of the second trade are ours
    assert heard == [
        (10, ACCEPTED, 100, 0, 4, 0, 0),
        (50, FILL, 100, 3, 1, 1, 0),
    ]
    assert engine.position_lots(0) == 3
    assert engine.cash_atoms == -3 * 100 * 10
    assert engine.ahead_lots(0, 1) == 0


def test_an_order_arrives_before_the_event_that_passes_its_time_and_is_heard_of_after_it(columns, whole_book):
    # given: the order is due at 25; the event at 30 takes the level away that it takes
    messages = [
        (0, 10, whole_book([(100, 10)], [(102, 5)])),
        (0, 30, [(A_LEVEL, SELL, 102, 0), (A_LEVEL, SELL, 103, 5)]),
    ]
    engine = engine_of(columns, messages, latency=(15, 0))
    seen = []

    # when
    heard = drive(
        engine,
        {
            1: lambda e: e.submit(0, 1, BUY, 102, 2, IOC),
            2: lambda e: seen.append((e.position_lots(0), e.local_book(0).ask_ticks)),
        },
    )

    # then: the strategy saw the event at 30 before it heard of its fill
    assert seen == [(0, 103)]
    assert heard == [(30, ACCEPTED, 102, 0, 2, 0, 0), (30, FILL, 102, 2, 0, 0, 0)]
    assert engine.fills.take()[0][:2] == (25, 30)


def test_what_falls_due_between_rows_passes_with_the_timer(columns, whole_book):
    messages = [(0, 10, whole_book([(100, 10)], [(102, 5)])), (0, 90, [(A_LEVEL, BUY, 99, 1)])]
    engine = engine_of(columns, messages, latency=(15, 0))
    engine.set_step_ns(20, 30)
    engine.run()
    engine.submit(0, 1, BUY, 102, 2, IOC)

    stops = []
    while (code := engine.run()) != END:
        stops.append((engine.now_ns, code))

    assert stops == [(30, STEP), (30, REPORT), (50, STEP), (70, STEP), (90, BOOK)]


def test_a_cancel_never_overtakes_its_order_and_fills_nothing_after_its_effect(columns, whole_book):
    messages = [
        (0, 10, whole_book([(100, 2)], [(102, 5)])),
        (0, 20, [(A_TRADE, SELL, 100, 3)]),
        (0, 30, [(A_LEVEL, BUY, 99, 1)]),
        (0, 40, [(A_TRADE, SELL, 99, 50)]),
    ]
    engine = engine_of(columns, messages, latency=(5, 0))

    def send_and_cancel(e):
        assert e.submit(0, 7, BUY, 100, 4) == 0
        assert e.cancel(0, 7, latency_ns=0) == 0

    heard = drive(engine, {1: send_and_cancel})

    assert [(at, kind) for at, kind, *_ in heard] == [(20, ACCEPTED), (20, CANCELED)]
    assert engine.cancel(0, 7) == 1
    assert engine.position_lots(0) == 0


def test_a_fill_wins_the_race_against_a_cancel_that_is_under_way(columns, whole_book):
    messages = [
        (0, 10, whole_book([(100, 2)], [(102, 5)])),
        (0, 20, [(A_LEVEL, BUY, 99, 1)]),
        (0, 30, [(A_TRADE, SELL, 100, 6)]),
        (0, 60, [(A_LEVEL, BUY, 99, 2)]),
    ]
    engine = engine_of(columns, messages)

    heard = drive(engine, {1: lambda e: e.submit(0, 7, BUY, 100, 4), 2: lambda e: e.cancel(0, 7, 25)})

    # the cancel finds nothing at 45: the paper venue says nothing more
    assert kinds(heard) == [ACCEPTED, FILL]


def test_in_exchange_time_a_late_cancel_is_rejected(columns, whole_book):
    messages = [
        (10, 12, whole_book([(100, 2)], [(102, 5)])),
        (20, 22, [(A_LEVEL, BUY, 99, 1)]),
        (30, 32, [(A_TRADE, SELL, 100, 9)]),
        (90, 92, [(A_LEVEL, BUY, 99, 2)]),
    ]
    engine = engine_of(columns, messages, latency=(3, 4), uses_exchange_time=True)

    heard = drive(engine, {1: lambda e: e.submit(0, 7, BUY, 100, 4), 2: lambda e: e.cancel(0, 7, 25)})

    # sent at 12, there at 15, heard at 19; filled at 30, heard at 34; the cancel arrives at 47, heard at 51
    assert [(at, kind) for at, kind, *_ in heard] == [(19, ACCEPTED), (34, FILL), (51, CANCEL_REJECTED)]


def test_in_exchange_time_the_venue_is_ahead_of_what_we_see(columns, whole_book):
    # given: the ask at 102 is gone at the venue at 20, we see that at 40
    messages = [
        (10, 12, whole_book([(100, 2)], [(102, 5)])),
        (20, 40, [(A_LEVEL, SELL, 102, 0), (A_LEVEL, SELL, 104, 5)]),
        (50, 60, [(A_LEVEL, BUY, 99, 1)]),
    ]
    engine = engine_of(columns, messages, latency=(10, 10), uses_exchange_time=True)

    heard = drive(engine, {1: lambda e: e.submit(0, 1, BUY, 102, 2, IOC)})

    assert heard == [(32, ACCEPTED, 102, 0, 2, 0, 0), (32, EXPIRED, 0, 0, 2, 0, 0)]


@pytest.mark.parametrize(
    ("order", "kind", "reason"),
    [
        ({"price_ticks": 102, "is_post_only": True}, REJECTED, "post_only_would_take"),
        ({"price_ticks": 103, "qty_lots": 9, "tif": FOK}, EXPIRED, ""),
        ({"price_ticks": 102, "qty_lots": 9, "tif": IOC}, FILL, ""),
        ({"price_ticks": 0, "qty_lots": 9}, FILL, ""),
    ],
)
def test_kinds_of_orders_that_meet_the_book(columns, whole_book, order, kind, reason):
    messages = [
        (0, 10, whole_book([(100, 2)], [(102, 5), (103, 3)])),
        (0, 20, [(A_LEVEL, BUY, 99, 1)]),
    ]
    engine = engine_of(columns, messages)

    heard = drive(engine, {1: lambda e: e.submit(0, 1, BUY, **{"qty_lots": 2, **order})})

    assert kind in kinds(heard)
    if kind == REJECTED:
        assert REJECTS[heard[0][2]] == reason
    fills = [each for each in heard if each[1] == FILL]
    wanted = {FOK: [], IOC: [(102, 5)]}.get(order.get("tif", 0), [(102, 5), (103, 3)])
    assert [each[2:4] for each in fills] == ([] if kind == REJECTED else wanted)
    if fills:
        assert heard[-1][1] == EXPIRED


def test_an_order_that_would_meet_our_own_is_rejected(columns, whole_book):
    messages = [(0, 10, whole_book([(100, 2)], [(105, 5)])), (0, 20, [(A_LEVEL, BUY, 99, 1)])]
    engine = engine_of(columns, messages)

    def both(e):
        e.submit(0, 1, SELL, 103, 1)
        e.submit(0, 2, BUY, 103, 1)

    heard = drive(engine, {1: both})

    assert kinds(heard) == [ACCEPTED, REJECTED]
    assert REJECTS[heard[1][2]] == "self_trade"


def test_lots_that_we_took_are_not_there_for_us_again_until_the_level_changes(columns, whole_book):
    messages = [
        (0, 10, whole_book([(100, 2)], [(102, 5)])),
        (0, 20, [(A_LEVEL, BUY, 99, 1)]),
        (0, 30, [(A_LEVEL, SELL, 102, 6)]),
    ]
    engine = engine_of(columns, messages)
    order = {n: (lambda e, n=n: e.submit(0, n, BUY, 102, 4, IOC)) for n in (1, 2, 3)}

    heard = drive(engine, order)

    assert [each[3] for each in heard if each[1] == FILL] == [4, 1, 4]


def test_a_book_that_crosses_our_order_fills_by_what_lies_beyond_it_and_a_touch_is_none(columns, whole_book):
    messages = [
        (0, 10, whole_book([(100, 2), (98, 1)], [(103, 5)])),
        (0, 20, [(A_LEVEL, SELL, 102, 1)]),
        (0, 30, [(A_LEVEL, BUY, 100, 0), (A_LEVEL, SELL, 101, 2)]),
    ]
    engine = engine_of(columns, messages)

    heard = drive(engine, {1: lambda e: e.submit(0, 1, BUY, 102, 4)})

    # 102 is touched at 20; at 30 two lots lie beyond
    assert [(at, kind) for at, kind, *_ in heard] == [(10, ACCEPTED), (30, FILL)]
    assert heard[1][2:5] == (102, 2, 2)


def test_without_partial_fills_anything_that_reaches_an_order_fills_it_whole(columns, whole_book):
    messages = [
        (0, 10, whole_book([(100, 2)], [(103, 5)])),
        (0, 20, [(A_LEVEL, SELL, 102, 1)]),
        (0, 30, [(A_TRADE, SELL, 100, 3)]),
    ]
    engine = engine_of(columns, messages, is_partial=False, queue_model="behind")

    def both(e):
        e.submit(0, 1, BUY, 102, 40)
        e.submit(0, 2, BUY, 100, 40)

    heard = drive(engine, {1: both})

    assert [each[:1] + each[2:5] for each in heard if each[1] == FILL] == [
        (20, 102, 40, 0),
        (30, 100, 40, 0),
    ]


def test_an_invalid_or_crossed_book_matches_and_decides_nothing(columns, whole_book):
    messages = [
        (0, 10, whole_book([(100, 2)], [(103, 5)])),
        (0, 20, [(INVALID, 0, 0, 0)]),
        (0, 30, [(A_TRADE, SELL, 90, 100)]),
        (0, 40, [(A_LEVEL, BUY, 99, 1)]),
        (0, 50, whole_book([(100, 2)], [(103, 5)])),
        (0, 60, [(A_LEVEL, BUY, 104, 1)]),
        (0, 70, [(A_TRADE, SELL, 90, 100)]),
    ]
    engine = engine_of(columns, messages)
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


def test_an_order_that_meets_an_untrusted_book_is_rejected(columns, whole_book):
    messages = [
        (0, 10, whole_book([(100, 2)], [(103, 5)])),
        (0, 20, [(INVALID, 0, 0, 0)]),
        (0, 30, [(A_TRADE, SELL, 90, 100)]),
    ]
    engine = engine_of(columns, messages, latency=(15, 0))

    heard = drive(engine, {1: lambda e: e.submit(0, 1, BUY, 101, 4)})

    assert [(each[0], each[1], REJECTS[each[2]]) for each in heard] == [(30, REJECTED, "untrusted_book")]


def test_several_markets_are_walked_in_the_order_of_time(columns, whole_book):
    engine = Engine()
    for base in (10, 15):
        messages = [(0, base + 10 * n, [(A_LEVEL, BUY, 99, n)]) for n in range(1, 4)]
        engine.add_market(
            *columns([(0, base, whole_book([(100, 2)], [(103, 5)])), *messages]), tick_lot_atoms=1
        )
        engine.wants(engine.markets[-1].index, True, False)
    stops = []
    while engine.run() == BOOK:
        stops.append((engine.now_ns, engine.market, engine.row))

    assert stops == [
        (10, 0, 2),
        (15, 1, 2),
        (20, 0, 3),
        (25, 1, 3),
        (30, 0, 4),
        (35, 1, 4),
        (40, 0, 5),
        (45, 1, 5),
    ]


@pytest.mark.parametrize("uses_exchange_time", [False, True])
def test_a_fill_in_one_market_sends_an_order_to_another_in_time(columns, whole_book, uses_exchange_time):
    # given: market 0 fills us at 30; market 1 moves away at 36
    first = [
        (10, 10, whole_book([(100, 2)], [(103, 5)])),
        (30, 30, [(A_TRADE, SELL, 99, 9)]),
        (90, 90, [(A_LEVEL, BUY, 99, 3)]),
    ]
    second = [
        (11, 11, whole_book([(200, 2)], [(203, 5)])),
        (36, 36, [(A_LEVEL, SELL, 203, 0), (A_LEVEL, SELL, 209, 1)]),
        (91, 91, [(A_LEVEL, BUY, 99, 3)]),
    ]
    engine = Engine(2, 1, uses_exchange_time=uses_exchange_time)
    for messages in (first, second):
        engine.add_market(*columns(messages), tick_lot_atoms=1)
    engine.wants(0, True, False)

    # when
    heard = []
    while (code := engine.run()) != END:
        if code == BOOK and engine.now_ns == 10:
            engine.submit(0, 1, BUY, 100, 1)
        if code == REPORT:
            for ts_ns, market, handle, kind, price, *_ in engine.take_reports():
                heard.append((ts_ns, market, kind, price))
                if kind == FILL and handle == 1:
                    engine.submit(1, 2, BUY, 205, 1, IOC)

    # then: sent at 31, it arrives at 33, before the ask went
    assert (33, 1, FILL, 203) in heard


def test_rows_may_be_received_later_or_a_constant_time_after_they_happened(columns, whole_book):
    messages = [(10, 17, whole_book([(100, 2)], [(103, 5)])), (20, 23, [(A_LEVEL, BUY, 99, 3)])]
    times = []
    for delay in ({}, {"feed_added_ns": 5}, {"feed_constant_ns": 1}):
        engine = Engine()
        engine.add_market(*columns(messages), tick_lot_atoms=1, **delay)
        engine.wants(0, True, False)
        while engine.run() == BOOK:
            times.append(engine.now_ns)

    assert times == [17, 23, 22, 28, 11, 21]


def test_a_gate_is_asked_before_every_stop(columns, whole_book):
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
    engine = engine_of(columns, messages)
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


def test_a_run_pauses_where_it_is_told_to_and_goes_on(columns, whole_book):
    messages = [(0, 10, whole_book([(100, 2)], [(103, 5)])), (0, 20, [(A_LEVEL, BUY, 99, 3)])]
    for uses_exchange_time in (False, True):
        engine = engine_of(columns, messages, uses_exchange_time=uses_exchange_time)
        assert [engine.run(15), engine.run(15), engine.run(), engine.run()] == [BOOK, PAUSE, BOOK, END]


def test_a_rule_and_the_same_rule_as_a_python_function_do_the_same(columns, whole_book):
    rows = [
        (A_LEVEL, n % 2, (100 if n % 2 == 0 else 103) + (n * 7) % 3 - 1, 1 + (n * 31) % 17)
        for n in range(300)
    ]
    messages = [(0, 10, whole_book([(99, 9), (98, 9)], [(104, 7), (105, 3)]))]
    messages += [(10 + 5 * n, 12 + 5 * n, [row]) for n, row in enumerate(rows)]
    messages += [
        (11 + 50 * n, 13 + 50 * n, [(A_TRADE, n % 2, 95 if n % 2 else 110, 5)]) for n in range(1, 29)
    ]
    messages.sort()
    results = []
    for run in (
        lambda e: e.run_rule(SkewedMaker(2, 6, 1_500_000, 500_000), 7),
        lambda e: run_function(e, PlainSkewedMaker(6, 1_500_000, 500_000), 7, 2),
    ):
        engine = Engine(3, 2, "behind", False, True)
        engine.add_market(*columns(messages), tick_lot_atoms=3, maker_fee_ppm=20)
        assert run(engine) == END
        engine.finish()
        results.append((engine.fills.take(), engine.orders.take(), engine.cash_atoms, engine.equity_atoms))

    assert results[0] == results[1]
    assert len(results[0][0]) > 5


@pytest.mark.parametrize(
    "wrong",
    [
        {"side": 2},
        {"tif": 3},
        {"qty_lots": 0},
        {"price_ticks": -1},
        {"owner": 64},
        {"handle": -1},
    ],
)
def test_an_order_out_of_range_is_refused_with_its_values(columns, whole_book, wrong):
    engine = engine_of(columns, [(0, 10, whole_book([(100, 2)], [(103, 5)]))])
    engine.run()
    order = {"market": 0, "handle": 1, "side": BUY, "price_ticks": 100, "qty_lots": 1, **wrong}

    with pytest.raises(ValueError, match=str(next(iter(wrong.values())))):
        engine.submit(**order)


def test_what_cannot_be_walked_is_said(columns, whole_book):
    engine = Engine()
    with pytest.raises(ValueError, match="no rows"):
        engine.run()
    good = columns([(0, 10, whole_book([(100, 2)], [(103, 5)]))])
    with pytest.raises(ValueError, match="one length"):
        engine.add_market(*good[:5], good[5][:1], tick_lot_atoms=1)
    with pytest.raises(ValueError, match="tick_lot_atoms 0"):
        engine.add_market(*good, tick_lot_atoms=0)
    with pytest.raises(ValueError, match="queue model 'fast'"):
        Engine(queue_model="fast").add_market(*good, tick_lot_atoms=1)
    with pytest.raises(ValueError, match="-1 ns in"):
        Engine(-1, 0)
    engine.add_market(*good, tick_lot_atoms=1)
    engine.run()
    with pytest.raises(ValueError, match="after the start"):
        engine.add_market(*good, tick_lot_atoms=1)
