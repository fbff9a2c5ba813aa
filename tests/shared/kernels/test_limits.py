"""The limits kernel says what the risk checks and the venue's filters say, to the last lot (I-11)."""

from decimal import Decimal

import hypothesis.strategies as st
import pytest
from hypothesis import example, given, settings

from services.risk.ask import NO_LIMIT, PPM, Ask, caps_of, money
from services.risk.checks import judge
from services.risk.limits import limits_of
from services.risk.settings import RiskSettings, SymbolLimits
from shared.instrument import quote_exponent, tick_lot_atoms
from shared.kernels.limits import CODES, Limits
from shared.messages.market import InstrumentRules
from shared.messages.orders import OrderType
from shared.paper.filters import broken_filter
from shared.units import Side

UNITS = [("0.1", "0.001"), ("0.01", "0.00001"), ("0.00000001", "1"), ("0.000001", "0.0003"), ("100", "10")]


def rules_of(tick="0.1", lot="0.001", is_derivative=True, **changes):
    exponent = quote_exponent(tick, lot)
    return InstrumentRules(
        **{
            "symbol": "m:X",
            "base_asset": "X",
            "quote_asset": "USDT",
            "tick_size": tick,
            "lot_size": lot,
            "quote_exponent": exponent,
            "tick_lot_atoms": tick_lot_atoms(tick, lot, exponent),
            "min_qty_lots": 1,
            "max_qty_lots": 0,
            "min_notional_atoms": 0,
            "min_price_ticks": 1,
            "max_price_ticks": 0,
            "maker_fee_ppm": 200,
            "taker_fee_ppm": 500,
            "is_derivative": is_derivative,
            **changes,
        }
    )


def limits_known(risk, rules, **known):
    """Return limits of a good market around 60,000.05 at no position, but for what is given."""
    limits = limits_of(risk, rules)
    limits.is_trusted, limits.bid_ticks, limits.ask_ticks = True, 600_000, 600_010
    limits.mark_half_ticks = 1_200_010
    for name, value in known.items():
        setattr(limits, name, value)
    return limits


def said(limits, side, price_ticks, qty_lots, is_market=False, is_reduce_only=False):
    lots = limits.judge(side, price_ticks, qty_lots, is_market, is_reduce_only)
    return lots, CODES[limits.code]


def asked(risk, rules, limits, side, price_ticks, qty_lots, is_market, is_reduce_only):
    """Return the same order and market as the checks of the risk core take them."""
    live = (limits.live_buy_lots, limits.live_sell_lots)
    own_live = (limits.own_live_buy_lots, limits.own_live_sell_lots)
    position_atoms = -(-abs(limits.position_lots) * limits.mark_half_ticks * rules.tick_lot_atoms // 2)
    live_atoms = limits.live_ticks_lots * rules.tick_lot_atoms
    return Ask(
        side=Side(side),
        price_ticks=price_ticks,
        qty_lots=qty_lots,
        is_market=is_market,
        is_reduce_only=is_reduce_only,
        age_ns=0,
        rules=rules,
        caps=caps_of(risk, rules),
        is_killed=False,
        reducing_reasons=(),
        is_book_trusted=limits.is_trusted,
        book_age_ns=0,
        bid_ticks=limits.bid_ticks,
        ask_ticks=limits.ask_ticks,
        position_lots=limits.position_lots,
        strategy_position_lots=limits.own_position_lots,
        live_lots=live[side],
        strategy_live_lots=own_live[side],
        live_atoms=live_atoms,
        position_atoms=position_atoms,
        open_order_count=limits.open_count,
        portfolio_money=money(position_atoms + live_atoms + limits.others_atoms, rules),
        loss_money=0,
        size_ppm=limits.size_ppm,
        free_cash_atoms=limits.cash_atoms if not rules.is_derivative and side == 0 else NO_LIMIT,
    )


lots_near = st.one_of(st.integers(0, 60), st.integers(0, 10**6), st.integers(0, 10**13))
signed_near = st.one_of(st.integers(-60, 60), st.integers(-(10**6), 10**6))
qty_max = st.sampled_from([Decimal(0), Decimal("0.5"), Decimal(100)])
value_max = st.sampled_from([Decimal("0.3"), Decimal("599.9999999999"), Decimal(3000), Decimal(70_000)])


@st.composite
def markets(draw):
    """Return settings, rules and limits with any state of a market."""
    tick, lot = draw(st.sampled_from(UNITS))
    least = draw(st.sampled_from([0, 10**6, 5 * 10**8]))
    rules = rules_of(tick, lot, draw(st.booleans()), min_qty_lots=draw(st.integers(0, 3)))
    rules = type(rules)(
        **{f: getattr(rules, f) for f in rules.__struct_fields__} | {"min_notional_atoms": least}
    )
    risk = RiskSettings(
        limits=SymbolLimits(
            order_notional_max=draw(value_max),
            order_qty_max=draw(qty_max),
            position_notional_max=draw(value_max),
            position_qty_max=draw(qty_max),
            symbol_notional_max=draw(value_max),
            open_orders_max=draw(st.integers(1, 5)),
            spread_bps_max=draw(st.sampled_from([Decimal("0.1"), Decimal(50)])),
            price_band_bps=draw(st.sampled_from([Decimal(1), Decimal(1000)])),
        ),
        portfolio_notional_max=draw(value_max),
        adjust_orders=draw(st.booleans()),
    )
    limits = limits_of(risk, rules)
    limits.is_trusted = draw(st.booleans())
    limits.bid_ticks = draw(st.one_of(st.just(0), st.integers(599_990, 600_010)))
    limits.ask_ticks = draw(st.one_of(st.just(0), st.integers(599_990, 600_030)))
    if limits.is_trusted:
        limits.bid_ticks, limits.ask_ticks = 600_000, draw(st.integers(600_001, 600_030))
    limits.mark_half_ticks = draw(st.sampled_from([0, 1_200_011]))
    limits.position_lots, limits.own_position_lots = draw(signed_near), draw(signed_near)
    limits.own_live_buy_lots, limits.own_live_sell_lots = draw(lots_near), draw(lots_near)
    limits.live_buy_lots = limits.own_live_buy_lots + draw(lots_near)
    limits.live_sell_lots = limits.own_live_sell_lots + draw(lots_near)
    limits.live_ticks_lots = draw(st.sampled_from([0, 10**6, 599_990 * 77, 10**12]))
    limits.open_count = draw(st.integers(0, 5))
    limits.others_atoms = draw(st.sampled_from([0, 10**9, 10**12, 10**15]))
    limits.cash_atoms = draw(st.sampled_from([-5, 0, 10**9, 60_029_999_999, 10**16, NO_LIMIT]))
    limits.size_ppm = draw(st.sampled_from([PPM, PPM, 500_000, 123_457, 0]))
    return risk, rules, limits


orders = st.tuples(
    st.integers(0, 1),
    st.one_of(st.integers(599_900, 600_100), st.sampled_from([-1, 0, 1, 540_000, 660_000])),
    st.one_of(st.integers(-1, 60), st.integers(1, 10**6), st.integers(1, 10**13)),
    st.booleans(),
    st.booleans(),
)


@pytest.mark.req("I-11", "RK-2", "RK-6")
@settings(max_examples=100, deadline=None)
@given(markets(), st.lists(orders, min_size=1, max_size=12))
def test_the_kernel_says_what_the_checks_say(market, asks):
    risk, rules, limits = market

    for side, price_ticks, qty_lots, is_market, is_reduce_only in asks:
        price_ticks = max(0, price_ticks) if is_market else price_ticks  # noqa: PLW2901  a touch is never negative
        ask = asked(risk, rules, limits, side, price_ticks, qty_lots, is_market, is_reduce_only)
        judgement = judge(ask, may_adjust=risk.adjust_orders)
        code = judgement.objection.code if judgement.objection else ""

        assert said(limits, side, price_ticks, qty_lots, is_market, is_reduce_only) == (
            judgement.qty_lots,
            code,
        )


@settings(max_examples=100, deadline=None)
@given(
    st.booleans(),
    st.integers(0, 3),
    st.sampled_from([0, 40]),
    st.sampled_from([0, 650_000]),
    st.sampled_from([0, 6 * 10**9, 10**12]),
    orders,
)
def test_the_kernel_filters_what_the_venue_would_not_take(is_derivative, least, most, highest, value, order):
    rules = rules_of(
        is_derivative=is_derivative,
        min_qty_lots=least,
        max_qty_lots=most,
        max_price_ticks=highest,
        min_notional_atoms=value,
    )
    _, price_ticks, qty_lots, is_market, is_reduce_only = order

    class Order:
        order_type = OrderType.MARKET if is_market else OrderType.LIMIT

    Order.price_ticks, Order.qty_lots, Order.is_reduce_only = price_ticks, qty_lots, is_reduce_only
    code = limits_of(RiskSettings(), rules).filtered(price_ticks, qty_lots, is_market, is_reduce_only)

    assert CODES[code] == ("venue_filter" if broken_filter(Order, rules) else "")


PLAIN = RiskSettings(
    limits=SymbolLimits(order_notional_max=Decimal(600), position_notional_max=Decimal(1200))
)


@pytest.mark.req("RK-3", "RK-6")
def test_an_order_is_cut_to_the_limits_worked_out_by_hand():
    # Given 0.001 BTC a lot at 60,000: 60 a lot, so 10 lots are 600, and at mid 60,000.5 19 are below 1,200
    limits = limits_known(PLAIN, rules_of())

    assert said(limits, 0, 600_000, 10) == (10, "")
    assert said(limits, 0, 600_000, 11) == (10, "order_size")
    limits.position_lots, limits.live_buy_lots = 9, 4
    assert said(limits, 0, 600_000, 10) == (6, "position")
    assert limits.allowed_lots == 6


@pytest.mark.req("I-11", "RK-20")
def test_every_open_lot_counts_at_its_worst_in_the_values():
    # Given a limit of 2,600 a market, 20 lots held (1,200.01) and 15 lots resting at 59,999 (899.985)
    risk = RiskSettings(limits=SymbolLimits(symbol_notional_max=Decimal(2600)))
    limits = limits_known(risk, rules_of(), position_lots=20, live_ticks_lots=15 * 599_990, live_sell_lots=15)

    # Then 500.005 are left, 8 lots of 60
    assert said(limits, 0, 600_000, 9) == (8, "symbol_notional")

    # And of a portfolio of 50,000 with 49,800 elsewhere nothing is left
    limits = limits_known(RiskSettings(), rules_of(), others_atoms=49_800 * 10**8)
    assert said(limits, 0, 600_000, 9) == (3, "portfolio_notional")


@pytest.mark.req("RK-1")
def test_what_only_reduces_meets_the_collar_alone():
    limits = limits_known(PLAIN, rules_of(), position_lots=100, own_position_lots=100, is_trusted=False)

    assert said(limits, 1, 600_000, 100) == (100, "")
    assert said(limits, 1, 600_000, 101) == (0, "untrusted_book")
    assert said(limits, 1, 500_000, 100) == (0, "price_band")
    assert said(limits, 1, 600_000, 101, is_reduce_only=True) == (100, "reduce_only")


def test_spot_sells_are_what_is_held_and_buys_what_the_wallet_can_pay():
    rules = rules_of(is_derivative=False)
    limits = limits_known(RiskSettings(), rules, position_lots=20, own_position_lots=9, own_live_sell_lots=2)

    assert said(limits, 1, 600_000, 20) == (7, "holdings")
    # 10 lots at 60,000 and 5 bps of fee cost 600.30
    limits.cash_atoms = 60_030_000_000 - 1
    assert said(limits, 0, 600_000, 10) == (9, "balance")
    limits.cash_atoms += 1
    assert said(limits, 0, 600_000, 10) == (10, "")


@given(st.integers(10**15, 2**63 - 1), st.integers(10**11, 10**12), st.integers(1, 10**15))
@example(2**63 - 1, 10**12, 10**15)
@settings(max_examples=50, deadline=None)
def test_no_number_wraps_round_into_an_approval(sum_of_others, price_ticks, qty_lots):
    # Given a market in the coarsest atoms, and sums at the end of 64 bits
    rules = rules_of("100", "10")
    limits = limits_known(RiskSettings(), rules, bid_ticks=price_ticks, ask_ticks=price_ticks)
    for name, value in (("others_atoms", sum_of_others), ("live_ticks_lots", sum_of_others)):
        limits.live_ticks_lots = limits.others_atoms = 0
        setattr(limits, name, value)

        assert limits.judge(0, price_ticks, qty_lots, False, False) == 0

    limits.others_atoms = limits.live_ticks_lots = 0
    limits.position_lots, limits.mark_half_ticks = -(10**15), 2 * 10**12
    assert limits.judge(1, price_ticks, qty_lots, False, False) == 0


@pytest.mark.parametrize(
    ("change", "said_text"),
    [
        ({"order_atoms_max": -1}, "order_atoms_max -1"),
        ({"symbol_atoms_max": 2 * 10**18 + 1}, "lower the limit"),
        ({"tick_lot_atoms": 0}, "tick_lot_atoms 0"),
        ({"open_orders_max": -1}, "no limit may be negative"),
        ({"portfolio_rest": 5, "atom_money": 5}, "a part of an atom"),
    ],
)
def test_limits_that_are_none_are_refused(change, said_text):
    good = dict.fromkeys(
        (
            "order_lots_max",
            "order_atoms_max",
            "position_lots_max",
            "position_atoms_max",
            "symbol_atoms_max",
            "portfolio_atoms_max",
            "open_orders_max",
            "spread_e2_bps_max",
            "band_e2_bps_max",
            "tick_lot_atoms",
        ),
        10,
    )

    with pytest.raises(ValueError, match=said_text):
        Limits(**{**good, "is_derivative": True, **change})


def test_a_market_in_another_currency_has_no_limits():
    with pytest.raises(ValueError, match="counted in USDT, the market in EUR"):
        limits_of(RiskSettings(), rules_of(quote_asset="EUR"))
