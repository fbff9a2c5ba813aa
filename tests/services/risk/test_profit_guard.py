"""Risk says where the profit came from: each minute when it changed, and after a round trip."""

from decimal import Decimal

import pytest

from services.risk.core import RiskCore
from shared.messages import guards, orders
from shared.units import Side


def state_of(core):
    return next(guard for guard in core.known.guards.all if guard.name == "profit_parts").dump()


def parts(bench):
    return bench.said(guards.ProfitParts)


def total(said):
    adverse = (
        said.adverse_100ms_atoms + said.adverse_1s_atoms + said.adverse_10s_atoms + said.adverse_60s_atoms
    )
    return said.spread_atoms + adverse + said.inventory_atoms - said.fees_atoms + said.funding_atoms


@pytest.mark.req("RK-29")
def test_a_round_trip_across_the_spread_has_paid_it_twice(bench):
    bench.fill_position(Side.BUY, 5)
    bench.fill_position(Side.SELL, 5)

    (said,) = parts(bench)
    # The mid is 600,005: each fill pays 5 ticks of 10,000 atoms on 5 lots.
    assert said.spread_atoms == -2 * 5 * 5 * 10_000
    assert said.inventory_atoms == 0
    assert said.equity_atoms == -500_000 - said.fees_atoms == total(said)
    assert (said.strategy, said.symbol, said.quote_asset) == ("mm", bench.PERP, "USDT")


@pytest.mark.req("RK-29")
def test_what_the_mid_did_after_a_fill_is_told_by_horizon(bench):
    bench.fill_position(Side.BUY, 5)  # 50 ms ago, at a mid of 600,005

    def mid(ticks):
        bench.book(bids=((ticks - 5, 50),), asks=((ticks + 5, 50),))

    mid(599_985)  # within 0.1 s: -20 ticks
    bench.pass_ms(300, is_feed_alive=False)
    mid(599_975)  # within 1 s: -10
    bench.pass_ms(2_000, is_feed_alive=False)
    mid(600_015)  # within 10 s: +40
    bench.pass_ms(20_000, is_feed_alive=False)
    mid(600_005)  # within 60 s: -10
    bench.pass_ms(60_000, is_feed_alive=False)
    mid(600_105)  # later: +100, inventory
    bench.pass_ms(61_000, is_feed_alive=False)

    said = parts(bench)[-1]
    tick = 5 * 10_000
    assert said.spread_atoms == -5 * tick
    assert (said.adverse_100ms_atoms, said.adverse_1s_atoms) == (-20 * tick, -10 * tick)
    assert (said.adverse_10s_atoms, said.adverse_60s_atoms) == (40 * tick, -10 * tick)
    assert said.inventory_atoms == 100 * tick
    assert said.equity_atoms == 95 * tick - said.fees_atoms == total(said)


@pytest.mark.req("RK-29")
def test_parts_are_said_each_minute_only_when_they_changed(bench):
    bench.fill_position(Side.BUY, 5)
    bench.pass_ms(180_000, is_feed_alive=False)
    count = len(parts(bench))
    assert 1 <= count <= 3

    bench.pass_ms(180_000, is_feed_alive=False)

    assert len(parts(bench)) == count


@pytest.mark.req("RK-29", "I-16")
def test_equity_is_that_of_the_ledger_and_of_the_paper_account(bench):
    bench.fill_position(Side.BUY, 5)
    bench.fill_position(Side.SELL, 3, strategy="grid")
    bench.pass_ms(70_000)

    last = {said.strategy: said for said in parts(bench)}
    rules = bench.rules()
    mark = bench.risk.known.markets[bench.PERP].mark_centiticks
    assert sum(said.equity_atoms for said in last.values()) == bench.broker.known.account.gain_atoms(
        rules, mark
    )


@pytest.mark.req("I-39")
def test_a_restart_and_an_adoption_change_nothing(bench):
    bench.fill_position(Side.BUY, 5)
    bench.pass_ms(2_000)
    copy, adopted = RiskCore(), RiskCore()
    copy.restore(bench.risk.snapshot())
    for event in bench.log:
        adopted.adopt(event)
    assert copy.digest() == bench.risk.digest()
    assert state_of(adopted) == state_of(bench.risk)

    seen = len(bench.log)
    bench.fill_position(Side.SELL, 5)
    bench.pass_ms(65_000)
    for event in bench.log[seen:]:
        copy.apply(event)

    assert copy.digest() == bench.risk.digest()
    assert bench.said(orders.Fill)


@pytest.mark.req("I-16")
def test_sums_beyond_64_bits_are_said_up_to_it_and_kept_exactly(make_bench, limits):
    # A coin whose lot at one tick is 10^12 atoms: 10^7 lots at 600,010 ticks are 6 * 10^24 atoms.
    most = {f"limits__{name}_notional_max": Decimal(10**30) for name in ("order", "position", "symbol")}
    settings = limits(**most, portfolio_notional_max=Decimal(10**30), loss_max=Decimal(10**30))
    huge = {"tick_lot_atoms": 10**12, "maker_fee_ppm": 0, "taker_fee_ppm": 0}
    bench = make_bench(settings).start(symbols=(make_bench.PERP,), **huge)
    bench.book(asks=((600_010, 10**7),))
    bench.fill_position(Side.BUY, 10**7)

    assert bench.said(orders.Fill)
    said = bench.said(orders.PositionChanged)[-1]
    assert said.volume_atoms == said.cost_atoms == 2**63 - 1
    position = bench.risk.known.ledger.by_symbol[bench.PERP]
    assert position.cost_atoms == 10**7 * 600_010 * 10**12
    copy = RiskCore()
    copy.restore(bench.risk.snapshot())
    assert copy.digest() == bench.risk.digest()
