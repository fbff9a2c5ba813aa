"""Most orders are beyond doubt: nothing of the table can be said against them, and that is told quickly.

The table (checks.py) stays the one authority: whatever is not plainly within every limit goes through it, and
only it refuses, cuts and gives reasons. Here is the conjunction of all its lines for a whole order, without
the exceptions (what only reduces passes some lines here too, or goes to the table).
"""

from typing import TYPE_CHECKING

from services.risk import checks
from services.risk.ask import NO_LIMIT, PPM
from shared.messages import Event, orders
from shared.messages.market import InstrumentRules

if TYPE_CHECKING:
    from services.risk.knowledge import RiskKnowledge
    from services.risk.market import Market

_OF_KERNEL = {
    checks.well_formed,
    checks.reduce_only,
    checks.holdings,
    checks.book_trust,
    checks.spread,
    checks.order_size,
    checks.price_band,
    checks.position,
    checks.open_orders,
    checks.balance,
}
"""Arithmetic of one market: asked of the kernel (shared/kernels/limits.py) at once."""
_HERE = {
    checks.kill_switch,
    checks.self_trade,
    checks.halted,
    checks.held,
    checks.trading_state,
    checks.intent_age,
    checks.market_status,
    checks.book_age,
    checks.symbol_notional,
    checks.portfolio_notional,
    checks.rates,
    checks.loss,
}
assert {line.check for line in checks.CHECKS} == _OF_KERNEL | _HERE, "a new check must be asked here as well"


def is_beyond_doubt(
    known: "RiskKnowledge",
    intent: orders.OrderIntent,
    event: Event,
    place: "Market",
    rules: InstrumentRules,
) -> bool:
    """Return True only where every line of the table lets the whole order pass; False tells nothing."""
    symbol, strategy, side = intent.symbol, intent.strategy, intent.side
    limits, settings, header = known.limits.get(symbol), known.settings, event.header
    is_plain = intent.order_type is orders.OrderType.LIMIT and not intent.stop_ticks
    if limits is None or not is_plain or known.mood.is_killed:
        return False
    caps, now_ns, price_ticks, qty_lots = (
        known.caps[symbol],
        header.ts_ns,
        intent.price_ticks,
        intent.qty_lots,
    )
    if now_ns - header.origin_ns > caps.intent_ttl_ns or now_ns - place.fresh_ns > caps.book_stale_ns:
        return False
    if rules.status != "TRADING" or known.mood.reducing_reasons():
        return False
    halts, holds = known.guards.objections(intent, known)
    size_ppm = known.guards.size_ppm(strategy, symbol, known)
    exposure, ledger, count = known.exposure, known.ledger, known.approvals.count
    if halts or holds or exposure.crossed_id(symbol, side, price_ticks):
        return False
    if (
        count(1, now_ns) >= settings.orders_per_s_max
        or count(60, now_ns) >= settings.orders_per_min_max
        or count(3600, now_ns) >= settings.orders_per_hour_max
    ):
        return False
    position_lots, value = ledger.position_lots(symbol), qty_lots * price_ticks
    worst_atoms = (exposure.live_ticks_lots(symbol) + value) * rules.tick_lot_atoms
    if worst_atoms + place.value_atoms(position_lots) > caps.symbol_atoms * size_ppm // PPM:
        return False
    worst_money = known.portfolio_money() + value * caps.tick_lot_money
    if worst_money > caps.portfolio_money * size_ppm // PPM or known.loss_money() >= caps.loss_money:
        return False
    book = place.book
    try:
        limits.is_trusted, limits.bid_ticks, limits.ask_ticks = (
            book.is_trusted,
            book.bid_ticks,
            book.ask_ticks,
        )
        limits.position_lots = position_lots
        limits.own_position_lots = ledger.strategy_position_lots(strategy, symbol)
        limits.live_buy_lots = limits.live_sell_lots = exposure.live_lots(symbol, side)
        own_lots = exposure.live_lots(symbol, side, strategy)
        limits.own_live_buy_lots = limits.own_live_sell_lots = own_lots
        limits.open_count, limits.size_ppm = exposure.count(symbol), size_ppm
        is_spot_buy = side == 0 and not rules.is_derivative
        limits.cash_atoms = known.free_cash_atoms(rules) if is_spot_buy else NO_LIMIT
        lots = limits.judge(side, price_ticks, qty_lots, False, intent.is_reduce_only)
    except OverflowError:
        return False
    return bool(lots == qty_lots and limits.code == 0)
