"""What each check of an order measured against which limit, also where it passed: for `explain`.

One line per line of `CHECKS`, by the name of its function. `is_within` is the check's own answer: nothing is
judged a second time here.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from services.risk.ask import E2_BPS, PPM, Ask
from services.risk.checks import CHECKS
from shared.units import Side

NS_PER_US = 1000


class Measure(NamedTuple):
    """One check of one order: what was measured, the limit, their unit, and whether the order passed it.

    `is_met` is false where the order only reduces and the check does not bind such orders (RK-1).
    """

    check: str
    value: int
    limit: int
    unit: str
    is_within: bool
    is_met: bool
    code: str = ""
    reason: str = ""


class _Amount(NamedTuple):
    value: int
    limit: int
    unit: str


def _flag(is_bad: bool) -> _Amount:
    return _Amount(int(is_bad), 0, "")


def _us(age_ns: int) -> int:
    return -(-age_ns // NS_PER_US)


def _spread(ask: Ask) -> _Amount:
    value = (ask.ask_ticks - ask.bid_ticks) * 2 * E2_BPS // max(1, ask.half_ticks)
    return _Amount(value, ask.caps.spread_e2_bps, "1/100 bps")


def _price_band(ask: Ask) -> _Amount:
    beyond = abs(2 * ask.price_ticks - ask.half_ticks)
    return _Amount(beyond * E2_BPS // max(1, ask.half_ticks), ask.caps.band_e2_bps, "1/100 bps")


def _order_size(ask: Ask) -> _Amount:
    limit = min(ask.caps.order_lots, ask.caps.order_atoms // max(1, ask.lot_atoms)) * ask.size_ppm // PPM
    return _Amount(ask.qty_lots, limit, "lots")


def _position(ask: Ask) -> _Amount:
    worst = ask.side.sign * ask.position_lots + ask.live_lots + ask.qty_lots
    by_value = 2 * ask.caps.position_atoms // max(1, ask.half_ticks * ask.rules.tick_lot_atoms)
    return _Amount(worst, min(ask.caps.position_lots, by_value) * ask.sum_ppm // PPM, "lots")


def _symbol_notional(ask: Ask) -> _Amount:
    worst = ask.position_atoms + ask.live_atoms + ask.qty_lots * ask.lot_atoms
    return _Amount(worst, ask.caps.symbol_atoms * ask.sum_ppm // PPM, "atoms")


def _portfolio_notional(ask: Ask) -> _Amount:
    atom_money = 10 ** max(0, 18 - ask.rules.quote_exponent)
    worst = ask.portfolio_money + ask.qty_lots * ask.lot_atoms * atom_money
    return _Amount(worst, ask.caps.portfolio_money * ask.sum_ppm // PPM, "10^-18 of the currency")


def _rates(ask: Ask) -> _Amount:
    if not ask.flows:
        return _Amount(0, 0, "orders")
    tightest = max(ask.flows, key=lambda flow: (flow.approved_count / flow.limit, flow.name))
    return _Amount(tightest.approved_count, tightest.limit, f"orders in {tightest.name}")


def _holdings(ask: Ask) -> _Amount:
    if ask.rules.is_derivative or ask.side is Side.BUY:
        return _Amount(0, 0, "")
    free_lots = min(ask.reducible_lots, ask.strategy_position_lots - ask.strategy_live_lots)
    return _Amount(ask.qty_lots, max(0, free_lots), "lots")


def _balance(ask: Ask) -> _Amount:
    if ask.rules.is_derivative or ask.side is Side.SELL:
        return _Amount(0, 0, "")
    fee_ppm = max(0, ask.rules.maker_fee_ppm, ask.rules.taker_fee_ppm)
    return _Amount(ask.qty_lots * ask.lot_atoms * (PPM + fee_ppm) // PPM, ask.free_cash_atoms, "atoms")


MEASURES: Mapping[str, Callable[[Ask], _Amount]] = {
    "kill_switch": lambda ask: _flag(ask.is_killed),
    "well_formed": lambda ask: _Amount(ask.qty_lots, 1, "lots at least"),
    "reduce_only": lambda ask: _Amount(ask.qty_lots if ask.is_reduce_only else 0, ask.reducible_lots, "lots"),
    "holdings": _holdings,
    "self_trade": lambda ask: _flag(bool(ask.crossed_id)),
    "halted": lambda ask: _Amount(len(ask.halts), 0, "pauses"),
    "trading_state": lambda ask: _Amount(len(ask.reducing_reasons), 0, "reasons"),
    "held": lambda ask: _Amount(len(ask.holds), 0, "guards"),
    "intent_age": lambda ask: _Amount(_us(ask.age_ns), ask.caps.intent_ttl_ns // NS_PER_US, "us"),
    "market_status": lambda ask: _flag(ask.rules.status != "TRADING"),
    "book_trust": lambda ask: _flag(not ask.is_book_trusted),
    "book_age": lambda ask: _Amount(_us(ask.book_age_ns), ask.caps.book_stale_ns // NS_PER_US, "us"),
    "spread": _spread,
    "order_size": _order_size,
    "price_band": _price_band,
    "position": _position,
    "symbol_notional": _symbol_notional,
    "portfolio_notional": _portfolio_notional,
    "open_orders": lambda ask: _Amount(ask.open_order_count + 1, ask.caps.open_orders, "orders"),
    "rates": _rates,
    "balance": _balance,
    "loss": lambda ask: _Amount(ask.loss_money, ask.caps.loss_money, "10^-18 of the currency"),
}


def measured(ask: Ask) -> list[Measure]:
    """Return one measure for each line of `CHECKS`, in their order, for the order as it was asked."""
    said = []
    for line in CHECKS:
        name = line.check.__name__
        amount = MEASURES[name](ask)
        objection = line.check(ask)
        is_met = line.meets(ask)
        code, reason = (objection.code, objection.reason) if objection is not None else ("", "")
        said.append(Measure(name, *amount, objection is None, is_met, code, reason))
    return said
