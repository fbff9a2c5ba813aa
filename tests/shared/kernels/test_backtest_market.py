"""What our takers took, and books that cross our orders, in the backtest engine."""

from shared.kernels.backtest import ACCEPTED, FILL

BUY, SELL = 0, 1
A_LEVEL, A_TRADE, CLEAR, INVALID = range(4)
IOC, FOK = 1, 2


def test_lots_that_we_took_are_not_there_for_us_again_until_the_level_changes(whole_book, engine_of, drive):
    messages = [
        (0, 10, whole_book([(100, 2)], [(102, 5)])),
        (0, 20, [(A_LEVEL, BUY, 99, 1)]),
        (0, 30, [(A_LEVEL, SELL, 102, 6)]),
    ]
    engine = engine_of(messages)
    order = {n: (lambda e, n=n: e.submit(0, n, BUY, 102, 4, IOC)) for n in (1, 2, 3)}

    heard = drive(engine, order)

    assert [each[3] for each in heard if each[1] == FILL] == [4, 1, 4]


def test_a_book_that_crosses_our_order_fills_by_what_lies_beyond_it_and_a_touch_is_none(
    whole_book, engine_of, drive
):
    messages = [
        (0, 10, whole_book([(100, 2), (98, 1)], [(103, 5)])),
        (0, 20, [(A_LEVEL, SELL, 102, 1)]),
        (0, 30, [(A_LEVEL, BUY, 100, 0), (A_LEVEL, SELL, 101, 2)]),
    ]
    engine = engine_of(messages)

    heard = drive(engine, {1: lambda e: e.submit(0, 1, BUY, 102, 4)})

    # 102 is touched at 20; at 30 two lots lie beyond
    assert [(at, kind) for at, kind, *_ in heard] == [(10, ACCEPTED), (30, FILL)]
    assert heard[1][2:5] == (102, 2, 2)
