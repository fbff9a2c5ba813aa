"""The checks of one order, in one table: `CHECKS`, run from the top (RK-2).

A check is a pure function of an `Ask` that returns an `Objection` or None. To add one: the function, its
limit in `Caps` (ask.py, settings.py), one line in `CHECKS`, the same in `is_beyond_doubt` (beyond_doubt.py),
a test that it objects and one that it does not.
Orders that only shrink the position, the account's or their strategy's, meet just the checks whose line says
so (RK-1). What has a memory of its
own is a guard (guards.py): its objections come in as `halts` and `holds`.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from services.risk.ask import E2_BPS, MONEY_EXPONENT, PPM, Ask, Objection, clipped, money
from shared.units import NS_PER_MS, Side, atoms_text

KILLED = Objection("killed", "kill is latched; a person clears it with a reason")


def kill_switch(ask: Ask) -> Objection | None:
    """Refuse everything while kill is asked for or latched."""
    return KILLED if ask.is_killed else None


def well_formed(ask: Ask) -> Objection | None:
    """Refuse a quantity or price that is not positive, and a market in another currency (RK-4)."""
    if ask.qty_lots <= 0:
        return Objection("bad_order", "the quantity is not positive", ask.qty_lots, 1)
    if ask.price_ticks <= 0 and not ask.is_market:
        return Objection("bad_order", "the price is not positive", ask.price_ticks, 1)
    if not ask.caps.is_currency:
        return Objection("currency", f"limits are not counted in {ask.rules.quote_asset}; see risk.currency")
    return None


def intent_age(ask: Ask) -> Objection | None:
    """Refuse a decision made on data that were received too long ago (I-01)."""
    if ask.age_ns <= ask.caps.intent_ttl_ns:
        return None
    return Objection(
        "stale_intent",
        f"decided on data {ask.age_ns // NS_PER_MS} ms old",
        ask.age_ns // NS_PER_MS,
        ask.caps.intent_ttl_ns // NS_PER_MS,
    )


def reduce_only(ask: Ask) -> Objection | None:
    """Cut a reduce-only order to what is left to reduce."""
    if not ask.is_reduce_only or ask.is_reducing:
        return None
    return Objection(
        "reduce_only",
        f"only {ask.reducible_lots} lots are left to reduce",
        ask.qty_lots,
        ask.reducible_lots,
        ask.reducible_lots,
    )


def holdings(ask: Ask) -> Objection | None:
    """Cut a spot sell to what this strategy and the account hold and do not offer already."""
    if ask.rules.is_derivative or ask.side is Side.BUY:
        return None
    free_lots = max(0, min(ask.reducible_lots, ask.strategy_position_lots - ask.strategy_live_lots))
    if ask.qty_lots <= free_lots:
        return None
    return Objection("holdings", f"{free_lots} lots are free to sell", ask.qty_lots, free_lots, free_lots)


def self_trade(ask: Ask) -> Objection | None:
    """Refuse an order, a reducing one too, that could trade with an own live or unknown one (I-12)."""
    if not ask.crossed_id:
        return None
    return Objection("self_trade", f"it could trade with our own order {ask.crossed_id}; cancel that first")


def trading_state(ask: Ask) -> Objection | None:
    """Refuse new risk while anything makes the mesh reduce only."""
    if not ask.reducing_reasons:
        return None
    return Objection("reducing", "only reducing orders: " + ", ".join(ask.reducing_reasons))


def halted(ask: Ask) -> Objection | None:
    """Refuse every order, reducing ones too, where a guard has halted (a calendar pause, RK-26)."""
    return ask.halts[0] if ask.halts else None


def held(ask: Ask) -> Objection | None:
    """Refuse new risk where a guard holds it back (RK-9, RK-10, RK-18, RK-27)."""
    return ask.holds[0] if ask.holds else None


def market_status(ask: Ask) -> Objection | None:
    """Refuse new risk in a market that the venue does not trade normally (I-27)."""
    status = ask.rules.status
    return None if status == "TRADING" else Objection("market_status", f"the venue says {status}")


def book_trust(ask: Ask) -> Objection | None:
    """Refuse new risk on an invalid, one-sided or crossed book."""
    return None if ask.is_book_trusted else Objection("untrusted_book", "the book is not trusted")


def book_age(ask: Ask) -> Objection | None:
    """Refuse new risk on a book that did not move for too long, by the age of its data (RK-2, I-33)."""
    if ask.book_age_ns <= ask.caps.book_stale_ns:
        return None
    return Objection(
        "stale_book",
        f"the book is {ask.book_age_ns // NS_PER_MS} ms old",
        ask.book_age_ns // NS_PER_MS,
        ask.caps.book_stale_ns // NS_PER_MS,
    )


def spread(ask: Ask) -> Objection | None:
    """Refuse quotes in a spread wider than the limit, in bps of mid (RK-5)."""
    value = (ask.ask_ticks - ask.bid_ticks) * 2 * E2_BPS // max(1, ask.half_ticks)
    if value <= ask.caps.spread_e2_bps:
        return None
    return Objection("spread", "the spread is too wide (1/100 bps)", value, ask.caps.spread_e2_bps)


def order_size(ask: Ask) -> Objection | None:
    """Cut an order beyond the largest quantity or value (RK-6)."""
    whole = min(ask.caps.order_lots, ask.caps.order_atoms // max(1, ask.lot_atoms))
    allowed = whole * ask.size_ppm // PPM
    if ask.qty_lots <= allowed:
        return None
    value = _text(ask.qty_lots * ask.lot_atoms, ask)
    if ask.qty_lots <= whole:
        return _scaled(f"{value} is too large for one order", ask.qty_lots, allowed, allowed, ask)
    return Objection("order_size", f"{value} is too large for one order", ask.qty_lots, allowed, allowed)


def price_band(ask: Ask) -> Objection | None:
    """Refuse a price too far from mid, or from its stop (RK-6); a reducing one only on the side that hurts.

    Without any book there is no mid: increasing orders never come here, reducing ones pass.
    """
    if ask.half_ticks <= 0 or ask.bid_ticks <= 0 or ask.ask_ticks <= 0:
        return None
    middle = 2 * ask.stop_ticks or ask.half_ticks
    beyond = 2 * ask.price_ticks - middle
    if ask.is_reducing:
        beyond = max(0, ask.side.sign * beyond)
    value = abs(beyond) * E2_BPS // middle
    if value <= ask.caps.band_e2_bps:
        return None
    where = "its stop" if ask.stop_ticks else "mid"
    return Objection(
        "price_band", f"the price is too far from {where} (1/100 bps)", value, ask.caps.band_e2_bps
    )


def position(ask: Ask) -> Objection | None:
    """Cut an order that could take the position past its limit if all of its side fills (I-11).

    One that shrinks its strategy's own position meets the whole limit, at the dearest price in sight where
    there is no trusted book; with no price at all only what shrinks the net may leave.
    """
    half_ticks = ask.half_ticks
    if not ask.is_book_trusted and ask.is_own_reducing:
        half_ticks = 2 * max(ask.bid_ticks, ask.ask_ticks, ask.price_ticks)
        if half_ticks <= 0:
            return Objection("position", "no price is known to value it", allowed_lots=ask.reducible_lots)
    whole = min(
        ask.caps.position_lots,
        2 * ask.caps.position_atoms // max(1, half_ticks * ask.rules.tick_lot_atoms),
    )
    limit = whole * ask.sum_ppm // PPM
    taken = ask.side.sign * ask.position_lots + ask.live_lots
    worst = taken + ask.qty_lots
    if worst <= limit:
        return None
    room = _room(limit - taken, ask.qty_lots)
    if worst <= whole:
        return _scaled(f"worst-case position {worst} lots", worst, limit, room, ask)
    return Objection("position", f"worst-case position {worst} lots", worst, limit, room)


def symbol_notional(ask: Ask) -> Objection | None:
    """Cut an order with which position and resting orders of a market are worth too much."""
    limit = ask.caps.symbol_atoms * ask.sum_ppm // PPM
    room = limit - ask.position_atoms - ask.live_atoms
    allowed = _room(room // max(1, ask.lot_atoms), ask.qty_lots)
    if ask.qty_lots <= allowed:
        return None
    worst = ask.position_atoms + ask.live_atoms + ask.qty_lots * ask.lot_atoms
    text = f"position and orders of {ask.rules.symbol} would be worth {_text(worst, ask)}"
    if worst <= ask.caps.symbol_atoms:
        return _scaled(text, clipped(worst), clipped(limit), allowed, ask)
    return Objection("symbol_notional", text, clipped(worst), clipped(limit), allowed)


def portfolio_notional(ask: Ask) -> Objection | None:
    """Cut an order with which all positions and resting orders are worth too much (RK-20)."""
    lot_money = max(1, money(ask.lot_atoms, ask.rules))
    limit_money = ask.caps.portfolio_money * ask.sum_ppm // PPM
    allowed = _room((limit_money - ask.portfolio_money) // lot_money, ask.qty_lots)
    if ask.qty_lots <= allowed:
        return None
    scale = 10 ** (MONEY_EXPONENT - ask.rules.quote_exponent)
    worst = (ask.portfolio_money + ask.qty_lots * lot_money) // scale
    text = f"all positions and orders would be worth {_text(worst, ask)}"
    limit = limit_money // scale
    if ask.portfolio_money + ask.qty_lots * lot_money <= ask.caps.portfolio_money:
        return _scaled(text, clipped(worst), clipped(limit), allowed, ask)
    return Objection("portfolio_notional", text, clipped(worst), clipped(limit), allowed)


def open_orders(ask: Ask) -> Objection | None:
    """Refuse one order more than may rest or be under way in a market."""
    if ask.open_order_count < ask.caps.open_orders:
        return None
    return Objection("open_orders", "too many orders are open", ask.open_order_count, ask.caps.open_orders)


def rates(ask: Ask) -> Objection | None:
    """Refuse an order beyond what may be approved in any second, minute or hour (RK-8)."""
    for flow in ask.flows:
        if flow.approved_count >= flow.limit:
            return Objection(
                "rate", f"{flow.approved_count} orders in {flow.name}", flow.approved_count, flow.limit
            )
    return None


def balance(ask: Ask) -> Objection | None:
    """Cut a spot buy that the wallet could not pay together with all open buys, fees included."""
    if ask.rules.is_derivative or ask.side is Side.SELL:
        return None
    fee_ppm = max(0, ask.rules.maker_fee_ppm, ask.rules.taker_fee_ppm)
    allowed = max(0, ask.free_cash_atoms) * PPM // max(1, ask.lot_atoms * (PPM + fee_ppm))
    if ask.qty_lots <= allowed:
        return None
    text = f"{_text(ask.free_cash_atoms, ask)} are left in the wallet"
    cost = ask.qty_lots * ask.lot_atoms * (PPM + fee_ppm) // PPM
    return Objection("balance", text, clipped(cost), clipped(ask.free_cash_atoms), allowed)


def loss(ask: Ask) -> Objection | None:
    """Refuse new risk once the loss limit is reached; the kill switch follows (RK-11)."""
    if ask.loss_money < ask.caps.loss_money:
        return None
    scale = 10 ** (MONEY_EXPONENT - ask.rules.quote_exponent)
    value, limit = ask.loss_money // scale, ask.caps.loss_money // scale
    return Objection("loss", f"the loss is {_text(value, ask)}", clipped(value), clipped(limit))


def _text(atoms: int, ask: Ask) -> str:
    return f"{atoms_text(atoms, ask.rules.quote_exponent)} {ask.rules.quote_asset}"


def _scaled(text: str, value: int, limit: int, allowed: int, ask: Ask) -> Objection:
    """Return the objection of a limit that would hold in full size."""
    share = f"while limits of size stand at {ask.size_ppm // 10_000} % (ramp or regime)"
    return Objection("size_scaled", f"{text} {share}", value, limit, allowed)


def _room(lots: int, asked_lots: int) -> int:
    return max(0, min(lots, asked_lots))


class Check(NamedTuple):
    """One line of the table; `binds_reducing` tells whether orders that only reduce meet it too.

    `binds_own_reducing` tells the same of those that shrink the position of their strategy but not the net of
    the account: the limits of what may be held at worst go on for them.
    """

    check: Callable[[Ask], Objection | None]
    binds_reducing: bool
    binds_own_reducing: bool = False

    def meets(self, ask: Ask) -> bool:
        """Return whether an order meets this line."""
        if self.binds_reducing:
            return True
        if ask.is_reducing:
            return False
        return self.binds_own_reducing or not ask.is_own_reducing


CHECKS: tuple[Check, ...] = (
    Check(kill_switch, binds_reducing=True),
    Check(well_formed, binds_reducing=True),
    Check(reduce_only, binds_reducing=True),
    Check(holdings, binds_reducing=True),
    Check(self_trade, binds_reducing=True),
    Check(halted, binds_reducing=True),
    Check(trading_state, binds_reducing=False),
    Check(held, binds_reducing=False),
    Check(intent_age, binds_reducing=True),
    Check(market_status, binds_reducing=False),
    Check(book_trust, binds_reducing=False),
    Check(book_age, binds_reducing=False),
    Check(spread, binds_reducing=False),
    Check(order_size, binds_reducing=False),
    Check(price_band, binds_reducing=True),
    Check(position, binds_reducing=False, binds_own_reducing=True),
    Check(symbol_notional, binds_reducing=False, binds_own_reducing=True),
    Check(portfolio_notional, binds_reducing=False, binds_own_reducing=True),
    Check(open_orders, binds_reducing=False),
    Check(rates, binds_reducing=False),
    Check(balance, binds_reducing=False),
    Check(loss, binds_reducing=False),
)


class Judgement(NamedTuple):
    """What the checks allow: `qty_lots` (0: refused), with the objection that refused or cut it."""

    qty_lots: int
    objection: Objection | None


def judge(ask: Ask, *, may_adjust: bool) -> Judgement:
    """Run the table; the first objection refuses, or cuts when it may and the rest is worth sending."""
    cut: Objection | None = None
    passed = 0
    while True:
        for place, check in _lines_met(ask):
            if place < passed:
                continue
            objection = check(ask)
            if objection is not None:
                break
        else:
            return Judgement(ask.qty_lots, cut)
        if not may_adjust or not is_worth_sending(objection.allowed_lots, ask):
            return Judgement(0, objection)
        ask = replace(ask, qty_lots=objection.allowed_lots)
        cut, passed = objection, place + 1


def _lines_met(ask: Ask) -> Sequence[tuple[int, Callable[[Ask], Objection | None]]]:
    """Return the lines that an order of this kind meets, with their places: looked up, not asked of each."""
    if ask.is_reducing:
        return _REDUCING
    return _OWN_REDUCING if ask.is_own_reducing else _ALL


_ALL = tuple((place, line.check) for place, line in enumerate(CHECKS))
_REDUCING = tuple((place, line.check) for place, line in enumerate(CHECKS) if line.binds_reducing)
_OWN_REDUCING = tuple(
    (place, line.check) for place, line in enumerate(CHECKS) if line.binds_reducing or line.binds_own_reducing
)


def is_worth_sending(qty_lots: int, ask: Ask) -> bool:
    """Return whether the venue takes an order as small as this."""
    rules = ask.rules
    return qty_lots >= max(1, rules.min_qty_lots) and qty_lots * ask.lot_atoms >= rules.min_notional_atoms
