"""The conformance suite over every kind of grid, not only the default one."""

import pytest

from services.strategy.conformance import CHECKS, Candidate, run
from shared.messages import orders
from shared.messages.control import InstanceFailed

USDM = "binance_usdm:BTCUSDT"
SMALL = {"interval_bps": 5.0, "buy_window": 4, "sell_window": 4, "order_cap": 12, "max_layers": 6}
VARIANTS = {
    "long": {},
    "short": {"direction": "short"},
    "neutral": {"direction": "neutral"},
    "percent": {"spacing": "percent"},
    "adaptive": {
        "is_adaptive": True,
        "sample_s": 1,
        "volatility_length": 3,
        "volatility_factor": 3.0,
        "window_min": 2,
    },
    "bounded": {"lower_price": "59800", "upper_price": "60200"},
    "exits": {"stop_loss_pct": 0.1, "take_profit_pct": 0.03, "trailing_pct": 0.01, "exit_pause_s": 1},
    "trend": {"trend_length": 3, "sample_s": 1, "trend_band_bps": 5},
    "short_exits": {"direction": "short", "stop_loss_pct": 0.1, "exit_pause_s": 1},
    "neutral_exits": {"direction": "neutral", "stop_loss_pct": 0.1, "exit_pause_s": 1},
}


def candidate(variant: str) -> Candidate:
    return Candidate("grid", SMALL | VARIANTS[variant], USDM)


@pytest.mark.req("ST-24", "ST-34", "ST-36", "ST-37")
@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("variant", VARIANTS)
def test_every_kind_of_grid_conforms(variant: str, check: str) -> None:
    problems = [problem for seed in (1, 2, 3) for problem in CHECKS[check](candidate(variant), seed)]

    assert problems == []


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_suite_makes_every_kind_of_grid_trade(variant: str) -> None:
    desk = candidate(variant).desk(seed=1, trouble=0)

    run(desk)

    assert [e.message.error for e in desk.log if isinstance(e.message, InstanceFailed)] == []
    slots = {e.message.slot for e in desk.log if isinstance(e.message, orders.OrderIntent)}
    fills = [e.message for e in desk.log if isinstance(e.message, orders.Fill)]
    assert {fill.side for fill in fills} == {0, 1}
    assert ("exit" in slots) == variant.endswith("exits")


def test_a_grid_is_exact_about_cash_and_position_whatever_goes_wrong() -> None:
    for variant in VARIANTS:
        for seed in range(3):
            desk = candidate(variant).desk(seed, trouble=20)
            run(desk)
            fills = [e.message for e in desk.log if isinstance(e.message, orders.Fill)]
            atoms = desk.rules.tick_lot_atoms
            cash = sum(-f.side.sign * f.price_ticks * f.qty_lots * atoms - f.fee_atoms for f in fills)
            instance = desk.core.instance("checked")
            ledger = instance.strategy.ledger
            tied = sum(
                ledger.sign(slot.level) * slot.cost_atoms + slot.fees_atoms for slot in ledger.slots.values()
            )

            assert ledger.position_lots == instance.position_lots
            assert ledger.realized_atoms - tied - ledger.pot_cost_atoms == cash
