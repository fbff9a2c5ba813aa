"""Arrivals, kinds of orders, cancels and whole fills of the backtest engine, worked out by hand."""

import pytest

from shared.kernels.backtest import ACCEPTED, CANCEL_REJECTED, CANCELED, EXPIRED, FILL, REJECTED, REJECTS

BUY, SELL = 0, 1
A_LEVEL, A_TRADE, CLEAR, INVALID = range(4)
IOC, FOK = 1, 2


def kinds(heard):
    return [each[1] for each in heard]


def test_an_order_waits_for_its_place_in_the_queue(whole_book, engine_of, drive):
    # given: 10 lots at 100; our 4 join behind them, 7 trade, then 6
    messages = [
        (0, 10, whole_book([(100, 10)], [(102, 5)])),
        (0, 20, [(A_LEVEL, BUY, 99, 1)]),
        (0, 30, [(A_TRADE, SELL, 100, 7)]),
        (0, 40, [(A_LEVEL, BUY, 100, 3)]),
        (0, 50, [(A_TRADE, SELL, 100, 6)]),
    ]
    engine = engine_of(messages)

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


def test_a_cancel_never_overtakes_its_order_and_fills_nothing_after_its_effect(whole_book, engine_of, drive):
    messages = [
        (0, 10, whole_book([(100, 2)], [(102, 5)])),
        (0, 20, [(A_TRADE, SELL, 100, 3)]),
        (0, 30, [(A_LEVEL, BUY, 99, 1)]),
        (0, 40, [(A_TRADE, SELL, 99, 50)]),
    ]
    engine = engine_of(messages, latency=(5, 0))

    def send_and_cancel(e):
        assert e.submit(0, 7, BUY, 100, 4) == 0
        assert e.cancel(0, 7, latency_ns=0) == 0

    heard = drive(engine, {1: send_and_cancel})

    assert [(at, kind) for at, kind, *_ in heard] == [(20, ACCEPTED), (20, CANCELED)]
    assert engine.cancel(0, 7) == 1
    assert engine.position_lots(0) == 0


def test_a_fill_wins_the_race_against_a_cancel_that_is_under_way(whole_book, engine_of, drive):
    messages = [
        (0, 10, whole_book([(100, 2)], [(102, 5)])),
        (0, 20, [(A_LEVEL, BUY, 99, 1)]),
        (0, 30, [(A_TRADE, SELL, 100, 6)]),
        (0, 60, [(A_LEVEL, BUY, 99, 2)]),
    ]
    engine = engine_of(messages)

    heard = drive(engine, {1: lambda e: e.submit(0, 7, BUY, 100, 4), 2: lambda e: e.cancel(0, 7, 25)})

    # the cancel finds nothing at 45: the paper venue says nothing more
    assert kinds(heard) == [ACCEPTED, FILL]


def test_in_exchange_time_a_late_cancel_is_rejected(whole_book, engine_of, drive):
    messages = [
        (10, 12, whole_book([(100, 2)], [(102, 5)])),
        (20, 22, [(A_LEVEL, BUY, 99, 1)]),
        (30, 32, [(A_TRADE, SELL, 100, 9)]),
        (90, 92, [(A_LEVEL, BUY, 99, 2)]),
    ]
    engine = engine_of(messages, latency=(3, 4), uses_exchange_time=True)

    heard = drive(engine, {1: lambda e: e.submit(0, 7, BUY, 100, 4), 2: lambda e: e.cancel(0, 7, 25)})

    # sent at 12, there at 15, heard at 19; filled at 30, heard at 34; the cancel arrives at 47, heard at 51
    assert [(at, kind) for at, kind, *_ in heard] == [(19, ACCEPTED), (34, FILL), (51, CANCEL_REJECTED)]


@pytest.mark.parametrize(
    ("order", "kind", "reason"),
    [
        ({"price_ticks": 102, "is_post_only": True}, REJECTED, "post_only_would_take"),
        ({"price_ticks": 103, "qty_lots": 9, "tif": FOK}, EXPIRED, ""),
        ({"price_ticks": 102, "qty_lots": 9, "tif": IOC}, FILL, ""),
        ({"price_ticks": 0, "qty_lots": 9}, FILL, ""),
    ],
)
def test_kinds_of_orders_that_meet_the_book(whole_book, engine_of, drive, order, kind, reason):
    messages = [
        (0, 10, whole_book([(100, 2)], [(102, 5), (103, 3)])),
        (0, 20, [(A_LEVEL, BUY, 99, 1)]),
    ]
    engine = engine_of(messages)

    heard = drive(engine, {1: lambda e: e.submit(0, 1, BUY, **{"qty_lots": 2, **order})})

    assert kind in kinds(heard)
    if kind == REJECTED:
        assert REJECTS[heard[0][2]] == reason
    fills = [each for each in heard if each[1] == FILL]
    wanted = {FOK: [], IOC: [(102, 5)]}.get(order.get("tif", 0), [(102, 5), (103, 3)])
    assert [each[2:4] for each in fills] == ([] if kind == REJECTED else wanted)
    if fills:
        assert heard[-1][1] == EXPIRED


def test_an_order_that_would_meet_our_own_is_rejected(whole_book, engine_of, drive):
    messages = [(0, 10, whole_book([(100, 2)], [(105, 5)])), (0, 20, [(A_LEVEL, BUY, 99, 1)])]
    engine = engine_of(messages)

    def both(e):
        e.submit(0, 1, SELL, 103, 1)
        e.submit(0, 2, BUY, 103, 1)

    heard = drive(engine, {1: both})

    assert kinds(heard) == [ACCEPTED, REJECTED]
    assert REJECTS[heard[1][2]] == "self_trade"


def test_without_partial_fills_anything_that_reaches_an_order_fills_it_whole(whole_book, engine_of, drive):
    messages = [
        (0, 10, whole_book([(100, 2)], [(103, 5)])),
        (0, 20, [(A_LEVEL, SELL, 102, 1)]),
        (0, 30, [(A_TRADE, SELL, 100, 3)]),
    ]
    engine = engine_of(messages, is_partial=False, queue_model="behind")

    def both(e):
        e.submit(0, 1, BUY, 102, 40)
        e.submit(0, 2, BUY, 100, 40)

    heard = drive(engine, {1: both})

    assert [each[:1] + each[2:5] for each in heard if each[1] == FILL] == [
        (20, 102, 40, 0),
        (30, 100, 40, 0),
    ]


def test_an_order_that_meets_an_untrusted_book_is_rejected(whole_book, engine_of, drive):
    messages = [
        (0, 10, whole_book([(100, 2)], [(103, 5)])),
        (0, 20, [(INVALID, 0, 0, 0)]),
        (0, 30, [(A_TRADE, SELL, 90, 100)]),
    ]
    engine = engine_of(messages, latency=(15, 0))

    heard = drive(engine, {1: lambda e: e.submit(0, 1, BUY, 101, 4)})

    assert [(each[0], each[1], REJECTS[each[2]]) for each in heard] == [(30, REJECTED, "untrusted_book")]
