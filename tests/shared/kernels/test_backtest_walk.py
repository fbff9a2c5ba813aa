"""The order of things in both clocks of the backtest engine, with one market and with several."""

import pytest

from shared.kernels.backtest import ACCEPTED, BOOK, END, EXPIRED, FILL, PAUSE, REPORT, STEP, Engine

BUY, SELL = 0, 1
A_LEVEL, A_TRADE, CLEAR, INVALID = range(4)
IOC, FOK = 1, 2


def test_an_order_arrives_before_the_event_that_passes_its_time_and_is_heard_of_after_it(
    whole_book, engine_of, drive
):
    # given: the order is due at 25; the event at 30 takes the level away that it takes
    messages = [
        (0, 10, whole_book([(100, 10)], [(102, 5)])),
        (0, 30, [(A_LEVEL, SELL, 102, 0), (A_LEVEL, SELL, 103, 5)]),
    ]
    engine = engine_of(messages, latency=(15, 0))
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


def test_what_falls_due_between_rows_passes_with_the_timer(whole_book, engine_of):
    messages = [(0, 10, whole_book([(100, 10)], [(102, 5)])), (0, 90, [(A_LEVEL, BUY, 99, 1)])]
    engine = engine_of(messages, latency=(15, 0))
    engine.set_step_ns(20, 30)
    engine.run()
    engine.submit(0, 1, BUY, 102, 2, IOC)

    stops = []
    while (code := engine.run()) != END:
        stops.append((engine.now_ns, code))

    assert stops == [(30, STEP), (30, REPORT), (50, STEP), (70, STEP), (90, BOOK)]


def test_in_exchange_time_the_venue_is_ahead_of_what_we_see(whole_book, engine_of, drive):
    # given: the ask at 102 is gone at the venue at 20, we see that at 40
    messages = [
        (10, 12, whole_book([(100, 2)], [(102, 5)])),
        (20, 40, [(A_LEVEL, SELL, 102, 0), (A_LEVEL, SELL, 104, 5)]),
        (50, 60, [(A_LEVEL, BUY, 99, 1)]),
    ]
    engine = engine_of(messages, latency=(10, 10), uses_exchange_time=True)

    heard = drive(engine, {1: lambda e: e.submit(0, 1, BUY, 102, 2, IOC)})

    assert heard == [(32, ACCEPTED, 102, 0, 2, 0, 0), (32, EXPIRED, 0, 0, 2, 0, 0)]


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


def test_a_run_pauses_where_it_is_told_to_and_goes_on(whole_book, engine_of):
    messages = [(0, 10, whole_book([(100, 2)], [(103, 5)])), (0, 20, [(A_LEVEL, BUY, 99, 3)])]
    for uses_exchange_time in (False, True):
        engine = engine_of(messages, uses_exchange_time=uses_exchange_time)
        assert [engine.run(15), engine.run(15), engine.run(), engine.run()] == [BOOK, PAUSE, BOOK, END]
