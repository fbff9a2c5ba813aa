"""What is beyond doubt passes every line of the table: the short way allows nothing that it refuses."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.risk import core
from services.risk.beyond_doubt import is_beyond_doubt
from services.risk.checks import judge
from services.risk.limits import quick_limits
from services.risk.settings import RiskSettings, SymbolLimits
from shared.messages import control, orders
from shared.units import Side

LIMITS = SymbolLimits(
    order_notional_max=Decimal(1500),
    position_notional_max=Decimal(2000),
    symbol_notional_max=Decimal(2600),
    open_orders_max=4,
    price_band_bps=Decimal("0.4"),
)
SETTINGS = replace(
    RiskSettings(),
    limits=LIMITS,
    portfolio_notional_max=Decimal(4000),
    loss_max=Decimal("0.2"),
    orders_per_min_max=12,
    violations_max=10**6,
)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["order", "order", "order", "reduce", "cancel", "trade", "wait", "stale", "kill"]),
        st.sampled_from(["a", "b"]),
        st.booleans(),
        st.sampled_from(Side),
        st.integers(-30, 30),
        st.integers(0, 40),
    ),
    max_size=30,
)


def compared(known, intent, event, place, rules):
    """Hold the short way against the table, order by order."""
    is_plain = is_beyond_doubt(known, intent, event, place, rules)
    if is_plain:
        judgement = judge(known.ask(intent, event, place, rules), may_adjust=False)
        assert judgement == (intent.qty_lots, None), judgement
    return is_plain


@pytest.mark.req("I-11", "RK-2")
@given(steps=STEPS)
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_beyond_doubt_passes_the_whole_table(make_bench, monkeypatch, steps):
    monkeypatch.setattr(core, "is_beyond_doubt", compared)
    bench = make_bench(SETTINGS).start()
    ids = []
    for what, strategy, is_spot, side, away, lots in steps:
        name = {"strategy": strategy, "symbol": bench.SPOT if is_spot else bench.PERP}
        if what in {"order", "reduce"}:
            terms = {"is_reduce_only": what == "reduce"}
            ids.append((bench.intent(side, 600_005 + away, lots, **name, **terms), name))
        elif what == "cancel" and ids:
            order_id, whose = ids[away % len(ids)]
            bench.cancel(order_id, **whose)
        elif what == "trade":
            bench.trade(side, 600_005 + away, max(1, lots), symbol=name["symbol"])
            bench.book(symbol=name["symbol"])
        elif what == "wait":
            bench.pass_ms(300)
        elif what == "stale":
            bench.pass_ms(1500)
        elif what == "kill" and away == 0:
            bench.say("operator", control.KillRequested("test", "why not"))
        assert not bench.risk.known.guards.failed


@pytest.mark.req("RK-2")
def test_an_ordinary_order_is_beyond_doubt_and_one_over_a_limit_is_not(make_bench, monkeypatch):
    found = []
    monkeypatch.setattr(core, "is_beyond_doubt", lambda *asked: found.append(compared(*asked)) or found[-1])
    bench = make_bench(SETTINGS).start()

    assert type(bench.verdict(Side.BUY, 600_000, 24, symbol=bench.PERP, strategy="a")) is orders.OrderApproved
    assert bench.verdict(Side.BUY, 600_000, 26, symbol=bench.PERP, strategy="a").code == "position"

    assert found == [True, False]


def test_a_market_whose_atoms_are_too_fine_has_the_table_alone(make_bench):
    # Given a limit that is beyond 64 bits in the atoms of the market
    bench = make_bench(replace(SETTINGS, limits=replace(LIMITS, symbol_notional_max=Decimal(10**12)))).start()
    rules = bench.risk.known.markets[bench.PERP].rules

    assert quick_limits(bench.risk.known.settings, rules) is None
    verdict = bench.verdict(Side.BUY, 600_000, 24, symbol=bench.PERP, strategy="a")

    assert type(verdict) is orders.OrderApproved
