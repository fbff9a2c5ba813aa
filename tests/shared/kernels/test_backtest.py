"""The backtest engine as its host sees it: rules, functions, and what is refused."""

import pytest

from shared.kernels.backtest import END, Engine
from shared.kernels.backtest_rules import SkewedMaker, run_function, skewed_maker

BUY, SELL = 0, 1
A_LEVEL, A_TRADE, CLEAR, INVALID = range(4)


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
        lambda e: run_function(e, skewed_maker(6, 1_500_000, 500_000), 7, 2),
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
def test_an_order_out_of_range_is_refused_with_its_values(whole_book, engine_of, wrong):
    engine = engine_of([(0, 10, whole_book([(100, 2)], [(103, 5)]))])
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
