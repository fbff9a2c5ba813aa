"""Grids through the whole mesh in virtual time: real risk, paper broker and generated market."""

import pytest

from services.cli import config
from services.fused.assemble import assemble
from services.strategy.core import StrategyCore
from shared.hosting import CoreHost
from shared.messages import orders
from shared.messages.control import InstanceFailed
from shared.messages.market import InstrumentRules
from shared.messages.orders import PositionChanged
from shared.units import NS_PER_S

YAML = """
mode: paper
symbols: [binance_usdm:BTCUSDT, binance_usdm:ETHUSDT]
venues:
  binance_usdm:
    maker_fee_ppm: 200
    taker_fee_ppm: 500
warmup_s: 0
warmup_points: 10
strategies:
  one:
    kind: grid
    symbol: binance_usdm:ETHUSDT
    params: {ONE}
  two:
    kind: grid
    symbol: binance_usdm:BTCUSDT
    params: {TWO}
"""
PAIRS = [
    (
        {"interval_bps": 6, "direction": "short", "stop_loss_pct": 0.05, "exit_pause_s": 5},
        {"interval_bps": 6, "direction": "neutral"},
    ),
    (
        {"interval_bps": 6, "is_adaptive": "true", "sample_s": 2, "volatility_length": 5},
        {"interval_bps": 5, "spacing": "percent", "stop_loss_pct": 0.05, "exit_pause_s": 5},
    ),
]


def played(one, two, seconds):
    """Return the log of some seconds of the generated market with two grids."""
    text = YAML
    for word, params in (("{ONE}", one), ("{TWO}", two)):
        text = text.replace(word, "".join(f"\n      {name}: {value}" for name, value in params.items()))
    events = []
    sections = config.sections(config.loads("grids", text, {}))
    run = assemble(sections, build="test", store=lambda stored: events.append(stored.event))
    run.run(run.now_ns + seconds * NS_PER_S)
    return events


@pytest.mark.req("ST-32", "ST-34", "ST-36", "ST-37", "I-15")
@pytest.mark.parametrize(("one", "two"), PAIRS, ids=str)
def test_grids_of_every_kind_trade_leave_and_count_as_the_ledger_of_risk_does(one, two) -> None:
    events = played(one, two, 60)

    messages = [event.message for event in events]
    assert [m.error for m in messages if isinstance(m, InstanceFailed)] == []
    refusals = orders.OrderRefused | orders.OrderRejected | orders.NotSent
    assert [m for m in messages if isinstance(m, refusals)] == []
    # each grid with a stop-loss of 0.05 % has left at least once, through risk and broker
    exits = {m.strategy for m in messages if isinstance(m, orders.OrderIntent) and m.slot == "exit"}
    assert exits == {name for name, params in (("one", one), ("two", two)) if "stop_loss_pct" in params}

    host = CoreHost(StrategyCore())
    for event in events:
        host.apply(event)
    for name in ("one", "two"):
        instance = host.core.instance(name)
        ledger = instance.strategy.ledger
        rules = next(m for m in messages if isinstance(m, InstrumentRules) and m.symbol == instance.symbol)
        fills = [m for m in messages if isinstance(m, orders.Fill) and m.strategy == name]
        atoms = rules.tick_lot_atoms
        cash = sum(-f.side.sign * f.price_ticks * f.qty_lots * atoms - f.fee_atoms for f in fills)
        tied = sum(ledger.sign(s.level) * s.cost_atoms + s.fees_atoms for s in ledger.slots.values())
        assert len(fills) > 4
        assert ledger.realized_atoms - tied - ledger.pot_cost_atoms == cash
        told = [m for m in messages if isinstance(m, PositionChanged) and m.strategy == name][-1]
        assert ledger.position_lots == told.position_lots
        # realized by level and by average cost differ while something is held, and only then
        if told.position_lots == 0 and ledger.is_idle:
            assert ledger.realized_atoms == told.realized_atoms - told.fees_atoms
