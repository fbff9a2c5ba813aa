"""Each check objects once and lets pass once; units hold at BTC and at coins of a millionth."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.risk.ask import Ask, Flow, Objection, caps_of
from services.risk.checks import CHECKS, judge
from services.risk.settings import RiskSettings, SymbolLimits, SymbolOverrides
from shared.instrument import quote_exponent, tick_lot_atoms
from shared.messages.market import InstrumentRules
from shared.units import Side


def rules_of(tick="0.1", lot="0.001", *, is_derivative=True, **changes):
    exponent = quote_exponent(tick, lot)
    scale = tick_lot_atoms(tick, lot, exponent)
    fields = ("m:X", "X", "USDT", tick, lot, exponent, scale, 1, 0, 0, 1, 0, 200, 500, is_derivative)
    return replace_struct(InstrumentRules(*fields), changes)


def replace_struct(struct, changes):
    return type(struct)(**{**{f: getattr(struct, f) for f in struct.__struct_fields__}, **changes})


def an_ask(settings=None, rules=None, **changes):
    """Return an order that passes every check: buy 10 lots of 0.001 at 60,000 in a good market."""
    rules = rules or rules_of()
    fields = {
        "side": Side.BUY,
        "price_ticks": 600_000,
        "qty_lots": 10,
        "is_market": False,
        "is_reduce_only": False,
        "age_ns": 0,
        "rules": rules,
        "caps": caps_of(settings or RiskSettings(), rules),
        "is_killed": False,
        "reducing_reasons": (),
        "is_book_trusted": True,
        "book_age_ns": 0,
        "bid_ticks": 600_000,
        "ask_ticks": 600_010,
        "position_lots": 0,
        "strategy_position_lots": 0,
        "live_lots": 0,
        "strategy_live_lots": 0,
        "live_atoms": 0,
        "position_atoms": 0,
        "open_order_count": 0,
        "portfolio_money": 0,
        "loss_money": 0,
    }
    return Ask(**{**fields, **changes})


def limits(**changes):
    return RiskSettings(limits=replace(SymbolLimits(), **changes))


def refusal(ask):
    judgement = judge(ask, may_adjust=False)
    return "" if judgement.qty_lots else judgement.objection.code


SPOT = rules_of(is_derivative=False)
MS = 1_000_000

CASES = [
    # code, an ask that breaks it, one at the edge that does not
    ("killed", an_ask(is_killed=True), an_ask()),
    ("bad_order", an_ask(qty_lots=0), an_ask(qty_lots=1)),
    ("bad_order", an_ask(price_ticks=0), an_ask(price_ticks=600_010, is_market=True)),
    ("bad_order", an_ask(price_ticks=-5), an_ask()),
    ("currency", an_ask(rules=rules_of(quote_asset="EUR")), an_ask()),
    ("stale_intent", an_ask(age_ns=500 * MS + 1), an_ask(age_ns=500 * MS)),
    ("reduce_only", an_ask(is_reduce_only=True), an_ask(is_reduce_only=True, position_lots=-10)),
    (
        "holdings",
        an_ask(rules=SPOT, side=Side.SELL, position_lots=9, strategy_position_lots=9),
        an_ask(rules=SPOT, side=Side.SELL, position_lots=10, strategy_position_lots=10),
    ),
    (
        "holdings",
        an_ask(rules=SPOT, side=Side.SELL, position_lots=20, strategy_position_lots=20, live_lots=11),
        an_ask(rules=SPOT, side=Side.SELL, position_lots=20, strategy_position_lots=20, live_lots=10),
    ),
    (
        "holdings",
        an_ask(rules=SPOT, side=Side.SELL, position_lots=20, strategy_position_lots=9),
        an_ask(rules=SPOT, side=Side.SELL, position_lots=20, strategy_position_lots=10),
    ),
    ("self_trade", an_ask(crossed_id="7-mm-s1-1"), an_ask()),
    ("reducing", an_ask(reducing_reasons=("broker is silent",)), an_ask()),
    ("market_status", an_ask(rules=rules_of(status="BREAK")), an_ask()),
    ("untrusted_book", an_ask(is_book_trusted=False), an_ask()),
    ("stale_book", an_ask(book_age_ns=1000 * MS + 1), an_ask(book_age_ns=1000 * MS)),
    (
        "spread",
        an_ask(limits(spread_bps_max=Decimal("0.1"))),
        an_ask(limits(spread_bps_max=Decimal("0.2"))),
    ),
    (
        "order_size",
        an_ask(limits(order_notional_max=Decimal("599.99"))),
        an_ask(limits(order_notional_max=Decimal(600))),
    ),
    (
        "order_size",
        an_ask(limits(order_qty_max=Decimal("0.009"))),
        an_ask(limits(order_qty_max=Decimal("0.01"))),
    ),
    ("price_band", an_ask(price_ticks=539_000), an_ask(price_ticks=541_000)),
    ("price_band", an_ask(price_ticks=661_000), an_ask(price_ticks=659_000)),
    (
        "position",
        an_ask(limits(position_qty_max=Decimal("0.05")), position_lots=30, live_lots=11),
        an_ask(limits(position_qty_max=Decimal("0.05")), position_lots=30, live_lots=10),
    ),
    (
        "position",
        an_ask(limits(position_notional_max=Decimal(599))),
        an_ask(limits(position_notional_max=Decimal(601))),
    ),
    (
        "symbol_notional",
        an_ask(position_atoms=10_000 * 10**8, live_atoms=9_401 * 10**8),
        an_ask(position_atoms=10_000 * 10**8, live_atoms=9_400 * 10**8),
    ),
    (
        "portfolio_notional",
        an_ask(portfolio_money=49_401 * 10**18),
        an_ask(portfolio_money=49_400 * 10**18),
    ),
    (
        "calendar",
        an_ask(halts=(Objection("calendar", "a pause"),)),
        an_ask(),
    ),
    (
        "breaker",
        an_ask(holds=(Objection("breaker", "five losses"),)),
        an_ask(holds=(Objection("breaker", "five losses"),), side=Side.SELL, position_lots=1000),
    ),
    ("open_orders", an_ask(open_order_count=200), an_ask(open_order_count=199)),
    ("rate", an_ask(flows=(Flow("1 s", 5, 5),)), an_ask(flows=(Flow("1 s", 4, 5), Flow("60 s", 0, 1)))),
    # 10 lots at 60,000 and 5 bps of fee cost 600.30
    (
        "balance",
        an_ask(rules=SPOT, free_cash_atoms=60_029_999_999),
        an_ask(rules=SPOT, free_cash_atoms=60_030_000_000),
    ),
    ("size_scaled", an_ask(qty_lots=42, size_ppm=500_000), an_ask(qty_lots=41, size_ppm=500_000)),
    (
        "size_scaled",
        an_ask(size_ppm=500_000, position_lots=74),
        an_ask(size_ppm=500_000, position_lots=73),
    ),
    # Half of 20,000 and of 50,000: with the order's 600 at most 9,400 and 24,400 may be there.
    (
        "size_scaled",
        an_ask(size_ppm=500_000, position_atoms=9_401 * 10**8),
        an_ask(size_ppm=500_000, position_atoms=9_400 * 10**8),
    ),
    (
        "size_scaled",
        an_ask(size_ppm=500_000, portfolio_money=24_401 * 10**18),
        an_ask(size_ppm=500_000, portfolio_money=24_400 * 10**18),
    ),
    (
        "symbol_notional",
        an_ask(size_ppm=500_000, position_atoms=19_401 * 10**8),
        an_ask(size_ppm=500_000, position_atoms=9_400 * 10**8),
    ),
    ("loss", an_ask(loss_money=1000 * 10**18), an_ask(loss_money=1000 * 10**18 - 1)),
]


@pytest.mark.req("RK-2", "RK-4", "RK-5", "RK-6", "RK-8", "I-11", "I-27")
@pytest.mark.parametrize(("code", "bad", "good"), CASES)
def test_each_check_refuses_beyond_its_limit_and_passes_at_it(code, bad, good):
    assert refusal(bad) == code
    assert refusal(good) == ""


RK_2 = (
    "kill_switch",
    "held",
    "intent_age",
    "book_age",
    "spread",
    "order_size",
    "price_band",
    "position",
    "symbol_notional",
    "portfolio_notional",
    "open_orders",
    "rates",
    "balance",
    "loss",
)


@pytest.mark.req("RK-2")
def test_the_checks_come_in_the_order_of_the_requirement():
    names = [line.check.__name__ for line in CHECKS]

    assert [name for name in names if name in RK_2] == list(RK_2)


@pytest.mark.req("I-12")
def test_a_reducing_order_may_not_meet_an_own_order_either():
    ask = an_ask(side=Side.SELL, position_lots=10, crossed_id="7-mm-s1-1")

    judgement = judge(ask, may_adjust=True)

    assert (judgement.qty_lots, judgement.objection.code) == (0, "self_trade")
    assert "7-mm-s1-1" in judgement.objection.reason


@pytest.mark.req("RK-2", "RK-4")
@pytest.mark.parametrize(
    ("tick", "lot", "price_ticks", "lots"),
    [
        ("0.01", "0.00001", 6_000_000, 166),
        ("0.000001", "1", 1, 99_950_024),
        ("0.00000001", "1", 1_200, 8_329_168),
    ],
)
def test_a_spot_buy_is_cut_to_what_the_wallet_can_pay_with_its_fee(tick, lot, price_ticks, lots):
    # Given a wallet with 100 USDT and a fee of 5 bps; 100 / 1.0005 = 99.95002499
    rules = rules_of(tick, lot, is_derivative=False)
    touch = {"price_ticks": price_ticks, "bid_ticks": price_ticks, "ask_ticks": price_ticks}
    ask = an_ask(None, rules, qty_lots=lots * 2, free_cash_atoms=100 * 10**rules.quote_exponent, **touch)

    judgement = judge(ask, may_adjust=True)

    assert (judgement.qty_lots, judgement.objection.code) == (lots, "balance")


def test_every_check_has_a_case():
    shown = set()
    for _, bad, _ in CASES:
        for line in CHECKS:
            if line.check(bad) is not None:
                shown.add(line.check.__name__)

    assert shown == {line.check.__name__ for line in CHECKS}


@pytest.mark.req("RK-1", "RK-10")
def test_a_reducing_order_passes_what_holds_new_risk_back():
    everything_bad = {
        "side": Side.SELL,
        "position_lots": 10,
        "reducing_reasons": ("x",),
        "is_book_trusted": False,
        "book_age_ns": 10**12,
        "open_order_count": 10**6,
        "portfolio_money": 10**30,
        "position_atoms": 10**20,
        "loss_money": 10**30,
        "flows": (Flow("1 s", 9, 5),),
    }

    assert refusal(an_ask(**everything_bad)) == ""
    assert refusal(an_ask(**{**everything_bad, "qty_lots": 11})) == "reducing"
    assert refusal(an_ask(**everything_bad, live_lots=1)) == "reducing"
    assert refusal(an_ask(**everything_bad, is_killed=True)) == "killed"


def test_a_reducing_order_may_be_far_on_the_harmless_side_only():
    selling = {"side": Side.SELL, "position_lots": 10}

    assert refusal(an_ask(**selling, price_ticks=900_000)) == ""
    assert refusal(an_ask(**selling, price_ticks=100)) == "price_band"


@pytest.mark.req("RK-3")
def test_an_order_that_is_too_large_is_cut_to_what_every_limit_allows():
    settings = limits(order_qty_max=Decimal("0.008"), position_qty_max=Decimal("0.006"))

    judgement = judge(an_ask(settings), may_adjust=True)

    assert judgement.qty_lots == 6
    assert judgement.objection.code == "position"


def test_an_order_is_not_cut_below_what_the_venue_takes():
    rules = rules_of(min_notional_atoms=500 * 10**8)
    settings = limits(position_qty_max=Decimal("0.006"))

    judgement = judge(an_ask(settings, rules), may_adjust=True)

    assert judgement.qty_lots == 0
    assert judgement.objection.code == "position"


@pytest.mark.req("RK-4")
@pytest.mark.parametrize(
    ("tick", "lot", "price_ticks", "lots_of_100_usdt"),
    [
        ("0.1", "0.001", 600_000, 1),  # BTC at 60,000: 0.001 is worth 60
        ("0.00000001", "1", 1_200, 8_333_333),  # a coin at 0.000012
        ("0.000001", "0.1", 1, 1_000_000_000),  # a coin at a millionth
        ("0.01", "0.00001", 6_000_000, 166),  # spot BTC
    ],
)
def test_notional_limits_hold_in_every_unit(tick, lot, price_ticks, lots_of_100_usdt):
    rules = rules_of(tick, lot)
    settings = limits(order_notional_max=Decimal(100))
    touch = {"price_ticks": price_ticks, "bid_ticks": price_ticks, "ask_ticks": price_ticks}

    assert refusal(an_ask(settings, rules, qty_lots=lots_of_100_usdt, **touch)) == ""
    assert refusal(an_ask(settings, rules, qty_lots=lots_of_100_usdt + 1, **touch)) == "order_size"


def test_a_market_inherits_the_limits_it_does_not_set():
    common = SymbolLimits(order_notional_max=Decimal(100))
    settings = RiskSettings(limits=common, symbols={"m:X": SymbolOverrides(open_orders_max=3)})

    assert settings.limits_of("m:X") == replace(common, open_orders_max=3)
    assert settings.limits_of("m:Y") == common


@pytest.mark.parametrize("value", [Decimal(0), Decimal(-1)])
def test_a_limit_that_is_none_is_refused(value):
    with pytest.raises(ValueError, match="order_notional_max"):
        SymbolOverrides(order_notional_max=value)


@pytest.mark.req("I-11", "RK-3")
@given(
    side=st.sampled_from(Side),
    position=st.integers(-200, 200),
    live=st.integers(0, 200),
    qty=st.integers(-5, 300),
    price=st.integers(500_000, 700_000),
    may_adjust=st.booleans(),
    is_derivative=st.booleans(),
)
@settings(max_examples=200, deadline=None)
def test_what_passes_reduces_or_stays_within_the_limit(
    side, position, live, qty, price, may_adjust, is_derivative
):
    position = position if is_derivative else abs(position)
    rules = rules_of(is_derivative=is_derivative)
    ask = an_ask(
        limits(position_qty_max=Decimal("0.1")),
        rules,
        side=side,
        position_lots=position,
        strategy_position_lots=position,
        live_lots=live,
        qty_lots=qty,
        price_ticks=price,
    )

    allowed = judge(ask, may_adjust=may_adjust).qty_lots

    assert 0 <= allowed <= max(0, qty)
    if allowed:
        worst = side.sign * position + live + allowed
        assert worst <= 100 or allowed <= ask.reducible_lots
        if not is_derivative and side is Side.SELL:
            assert live + allowed <= position
