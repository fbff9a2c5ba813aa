"""Fees, tiers, funding, wallets, limits, equity and drawdown of the backtest engine, worked out by hand."""

import pytest

from shared.kernels import limits as limits_kernel
from shared.kernels.backtest import (
    END,
    FILL_FIELDS,
    ORDER_FIELDS,
    REJECTS,
    REPORT,
    RISK_CODES,
    Engine,
)

BUY, SELL = 0, 1
A_LEVEL, A_TRADE, CLEAR, INVALID, FUNDING, MARK = range(6)
IOC = 1
DAY_NS = 86_400_000_000_000
REJECTED, FILL = 2, 3


def run_with(engine, orders):
    """Send `orders[n]` (market, handle, side, price, lots, ...) at book event n; return all reports."""
    heard, books = [], 0
    while (code := engine.run()) != END:
        if code == REPORT:
            heard += engine.take_reports()
        else:
            books += 1
            for order in orders.get(books, ()):
                assert engine.submit(*order) == 0
    return heard


def bare(columns, messages, **terms):
    engine = Engine()
    engine.add_market(*columns(messages), **{"tick_lot_atoms": 10, **terms})
    engine.wants(0, True, False)
    return engine


@pytest.mark.parametrize(
    ("value", "ppm", "fee"),
    [(1_000_000, 200, 200), (1_000_001, 200, 201), (1, 1, 1), (0, 500, 0), (1_999_999, -100, -199)],
)
def test_a_fee_is_rounded_against_us(value, ppm, fee):
    from shared.instrument import fee_atoms

    assert fee_atoms(value, ppm) == fee


def test_maker_and_taker_pay_their_fees_and_cash_follows(columns, whole_book):
    # given: 3 lots at 102 taken at 700 ppm, 2 lots at 100 made at 200 ppm; a tick of a lot is 1000 atoms
    messages = [
        (0, 10, whole_book([(100, 1)], [(102, 5)])),
        (0, 20, [(A_LEVEL, BUY, 99, 1)]),
        (0, 30, [(A_TRADE, SELL, 100, 3)]),
        (0, 40, [(A_LEVEL, BUY, 99, 2)]),
    ]
    engine = bare(columns, messages, tick_lot_atoms=1000, maker_fee_ppm=200, taker_fee_ppm=700)

    heard = run_with(engine, {1: [(0, 1, BUY, 102, 3, IOC)], 2: [(0, 2, BUY, 100, 2)]})

    # then: 306000 * 700 ppm = 214.2 -> 215; 200000 * 200 ppm = 40
    assert [(r[4], r[5], r[7], r[8]) for r in heard if r[3] == FILL] == [(102, 3, 0, 215), (100, 2, 1, 40)]
    assert engine.cash_atoms == -306_000 - 215 - 200_000 - 40
    # 5 lots at the mid of 101
    assert engine.equity_atoms == engine.cash_atoms + 5 * 101 * 1000
    place = engine.markets[0]
    assert (place.fees_atoms, place.volume_atoms, place.position_lots) == (255, 506_000, 5)


def test_records_hold_what_happened(columns, whole_book):
    messages = [
        (0, 10, whole_book([(100, 1)], [(102, 5)])),
        (0, 30, [(A_TRADE, SELL, 100, 3)]),
        (0, 40, [(A_LEVEL, BUY, 99, 2)]),
    ]
    engine = bare(columns, messages, maker_fee_ppm=200)
    run_with(engine, {1: [(0, 9, BUY, 100, 2), (0, 8, BUY, 90, 4)]})
    engine.finish()

    fill = dict(zip(FILL_FIELDS, engine.fills.take()[0], strict=True))
    filled, still_open = (dict(zip(ORDER_FIELDS, row, strict=True)) for row in engine.orders.take())

    assert fill == {
        "ts_ns": 30,
        "heard_ns": 30,
        "row": 4,
        "market": 0,
        "owner": 0,
        "handle": 9,
        "side": BUY,
        "is_maker": 1,
        "price_ticks": 100,
        "lots": 2,
        "fee_atoms": 1,
        "position_lots": 2,
    }
    assert filled["handle"] == 9
    assert (filled["state"], filled["filled_lots"], filled["ahead_lots"]) == (1, 2, 1)
    assert (filled["ts_ns"], filled["accepted_ns"], filled["filled_ns"], filled["ended_ns"]) == (
        10,
        10,
        30,
        30,
    )
    assert (still_open["handle"], still_open["state"], still_open["lots"]) == (8, 0, 4)


def test_a_day_of_volume_moves_the_next_day_into_another_tier(columns, whole_book):
    # given: 1000 atoms of volume on the day before and 5 * 102 * 10 = 5100 on the first
    messages = [
        (0, DAY_NS * 100, whole_book([(100, 1)], [(102, 5)])),
        (0, DAY_NS * 100 + 9, [(A_LEVEL, SELL, 102, 6)]),
        (0, DAY_NS * 101, [(A_LEVEL, SELL, 102, 7)]),
        (0, DAY_NS * 133, [(A_LEVEL, SELL, 102, 8)]),
    ]
    engine = bare(columns, messages)
    engine.set_fee_tiers([(0, 0, 1000), (1000, 0, 500), (6100, 0, 100)], volume_before_atoms=1000)

    heard = run_with(engine, {n: [(0, n, BUY, 102, 5, IOC)] for n in (1, 2, 3, 4)})

    # then: 5100 atoms at 500 ppm twice; next day 11,200 traded: 100 ppm; a month later nothing: 1000 ppm
    assert [r[8] for r in heard if r[3] == FILL] == [3, 3, 1, 6]


def test_funding_is_paid_on_the_position_and_rounded_against_us(columns, whole_book):
    # given: long 2 lots, a rate of 1e-4 on a mark of 101 ticks of 10 atoms: 0.202 atoms
    messages = [
        (0, 10, whole_book([(100, 1)], [(102, 5)])),
        (0, 20, [(MARK, 0, 101, 0)]),
        (0, 30, [(FUNDING, 0, 101, 10_000)]),
        (0, 40, [(FUNDING, 0, 101, -50_000_000)]),
    ]
    engine = bare(columns, messages)

    run_with(engine, {1: [(0, 1, BUY, 102, 2, IOC)]})

    # then: 1 atom is paid, then half of 2020 is received
    assert [row[5] for row in engine.funding.take()] == [-1, 1010]
    assert engine.cash_atoms == -2 * 102 * 10 - 1 + 1010


def test_spot_pays_no_funding(columns, whole_book):
    messages = [(0, 10, whole_book([(100, 1)], [(102, 5)])), (0, 30, [(FUNDING, 0, 101, 10_000)])]
    engine = bare(columns, messages, is_derivative=False)

    run_with(engine, {1: [(0, 1, BUY, 102, 2, IOC)]})

    assert len(engine.funding) == 0


def test_a_spot_wallet_pays_for_what_it_can_and_sells_what_it_holds(columns, whole_book):
    # given: money for 3 lots at 102 and their fee: 3060 + 3 atoms
    messages = [
        (0, 10, whole_book([(100, 5)], [(102, 50)])),
        (0, 20, [(A_LEVEL, BUY, 99, 1)]),
        (0, 30, [(A_LEVEL, BUY, 99, 2)]),
    ]
    for wallet_atoms, bought in ((3063, True), (3062, False)):
        engine = bare(columns, messages, is_derivative=False, taker_fee_ppm=700)
        engine.set_wallet(0, wallet_atoms)

        heard = run_with(
            engine,
            {
                1: [(0, 1, BUY, 102, 3, IOC)],
                2: [(0, 2, SELL, 105, 2)],
                3: [(0, 3, SELL, 105, 2)],
            },
        )

        codes = {r[2]: REJECTS[r[4]] for r in heard if r[3] == REJECTED}
        assert (1 in codes) is not bought
        # two of three lots are offered already
        assert codes[3] == "insufficient_balance"
        assert engine.position_lots(0) == (3 if bought else 0)
        assert engine.markets[0].venue_lots >= 0


def caps(**changed):
    most = {
        "order_lots_max": 100,
        "order_atoms_max": 10**12,
        "position_lots_max": 5,
        "position_atoms_max": 10**12,
        "symbol_atoms_max": 10**12,
        "portfolio_atoms_max": 10**12,
        "open_orders_max": 10,
        "spread_e2_bps_max": 10**6,
        "band_e2_bps_max": 10**6,
        "tick_lot_atoms": 10,
        "is_derivative": True,
        "may_adjust": False,
    }
    return limits_kernel.Limits(**{**most, **changed})


def test_risk_refuses_in_the_loop_and_counts_what_is_under_way(columns, whole_book):
    messages = [(0, 10, whole_book([(100, 1)], [(102, 5)])), (0, 20, [(A_LEVEL, BUY, 99, 1)])]
    engine = bare(columns, messages, limits=caps())
    engine.run()

    codes = [engine.submit(0, n, BUY, 100, 3) for n in (1, 2)]
    codes.append(engine.submit(0, 3, BUY, 99, 2))
    codes.append(engine.submit(0, 4, SELL, 100, 1))
    codes.append(engine.submit(0, 5, SELL, 101, 4))

    names = [limits_kernel.CODES[code] if code < 100 else RISK_CODES[code] for code in codes]
    assert names == ["", "position", "", "self_trade", ""]
    assert engine.refused_count == 2
    assert engine.sent_lots == 9


def test_risk_may_cut_an_order(columns, whole_book):
    messages = [(0, 10, whole_book([(100, 1)], [(102, 5)])), (0, 20, [(A_LEVEL, BUY, 99, 1)])]
    engine = bare(columns, messages, limits=caps(may_adjust=True))
    engine.run()

    assert engine.submit(0, 1, BUY, 100, 9) == 0
    assert engine.sent_lots_last == 5
    assert engine.open_orders(0) == [(1, BUY, 100, 5)]


def test_an_order_worth_more_than_64_bits_is_refused(columns, whole_book):
    messages = [(0, 10, whole_book([(100, 1)], [(102, 5)]))]
    engine = bare(columns, messages, tick_lot_atoms=10**9)
    engine.run()

    assert RISK_CODES[engine.submit(0, 1, BUY, 100, 10**9)] == "bad_order"


def test_samples_and_drawdown_follow_the_marked_equity(columns, whole_book):
    # given: bought at 102; the mid goes 101, 121, 91
    messages = [
        (0, 10, whole_book([(100, 1)], [(102, 5)])),
        (0, 25, whole_book([(120, 1)], [(122, 5)])),
        (0, 45, whole_book([(90, 1)], [(92, 5)])),
        (0, 75, [(A_LEVEL, BUY, 89, 1)]),
    ]
    engine = bare(columns, messages)
    engine.set_samples(20)

    run_with(engine, {1: [(0, 1, BUY, 102, 1, IOC)]})

    assert engine.samples.take() == [(20, -10, 0, 1), (40, 190, 0, 1), (60, -110, 300, 1)]
    assert engine.max_drawdown_atoms == 300
