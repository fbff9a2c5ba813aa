"""The checks of one order, in one table: `CHECKS`, run from the top (RK-2).

A check is a pure function of an `Ask` that returns an `Objection` or None. To add one: the function, its
limit in `Caps` (and settings.py), one line in `CHECKS`, a test that it objects and one that it does not.
Orders that only shrink the position meet just the checks whose line says so (RK-1).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import NamedTuple

from services.risk.settings import RiskSettings
from shared.messages.market import InstrumentRules
from shared.units import INT64_MAX, NS_PER_MS, Side, atoms_text, round_down

MONEY_EXPONENT = 18
"""The portfolio adds markets of different atoms; it counts in 10^-18 of the account currency."""

NO_LIMIT = INT64_MAX
E2_BPS = 1_000_000
"""The whole, in hundredths of a basis point."""


class Caps(NamedTuple):
    """The limits of one market in its own units; the portfolio and the loss in 10^-18 of the currency."""

    order_atoms: int
    order_lots: int
    position_atoms: int
    position_lots: int
    symbol_atoms: int
    open_orders: int
    spread_e2_bps: int
    band_e2_bps: int
    portfolio_money: int
    loss_money: int
    intent_ttl_ns: int
    book_stale_ns: int
    is_currency: bool


class Flow(NamedTuple):
    """One true sliding window of approvals."""

    name: str
    approved_count: int
    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """All that a check may know: the order asked for, the market, the exposure, the state of the mesh.

    `price_ticks` of a market order is the far touch. `live_*` count approved, sent, resting and unknown
    orders at their open quantity, this one not included.
    """

    side: Side
    price_ticks: int
    qty_lots: int
    is_market: bool
    is_reduce_only: bool
    age_ns: int
    rules: InstrumentRules
    caps: Caps
    is_killed: bool
    reducing_reasons: tuple[str, ...]
    is_book_trusted: bool
    book_age_ns: int
    bid_ticks: int
    ask_ticks: int
    position_lots: int
    strategy_position_lots: int
    live_lots: int
    strategy_live_lots: int
    live_atoms: int
    position_atoms: int
    open_order_count: int
    portfolio_money: int
    loss_money: int
    flows: tuple[Flow, ...] = ()

    @property
    def reducible_lots(self) -> int:
        """Return how much of this side only shrinks the position, whatever else rests on it."""
        return max(0, -self.side.sign * self.position_lots - self.live_lots)

    @property
    def is_reducing(self) -> bool:
        """Return whether this order can only shrink the position."""
        return self.qty_lots <= self.reducible_lots

    @property
    def half_ticks(self) -> int:
        """Return bid + ask: twice the mid, in ticks."""
        return self.bid_ticks + self.ask_ticks

    @property
    def lot_atoms(self) -> int:
        """Return the value of one lot at the price of the order."""
        return self.price_ticks * self.rules.tick_lot_atoms


class Objection(NamedTuple):
    """Why an order may not pass as it is; `allowed_lots` of it may (0: none)."""

    code: str
    reason: str
    value: int = 0
    limit: int = 0
    allowed_lots: int = 0


def caps_of(settings: RiskSettings, rules: InstrumentRules) -> Caps:
    """Return the limits of one market in its own units, rounded down: never beyond the setting."""
    limits = settings.limits_of(rules.symbol)
    exponent = rules.quote_exponent
    lot_size = Decimal(rules.lot_size)

    def lots(quantity: Decimal) -> int:
        return round_down(quantity, lot_size) if quantity else NO_LIMIT

    return Caps(
        order_atoms=int(limits.order_notional_max.scaleb(exponent)),
        order_lots=lots(limits.order_qty_max),
        position_atoms=int(limits.position_notional_max.scaleb(exponent)),
        position_lots=lots(limits.position_qty_max),
        symbol_atoms=int(limits.symbol_notional_max.scaleb(exponent)),
        open_orders=limits.open_orders_max,
        spread_e2_bps=int(limits.spread_bps_max * 100),
        band_e2_bps=int(limits.price_band_bps * 100),
        portfolio_money=int(settings.portfolio_notional_max.scaleb(MONEY_EXPONENT)),
        loss_money=int(settings.loss_max.scaleb(MONEY_EXPONENT)),
        intent_ttl_ns=settings.intent_ttl_ms * NS_PER_MS,
        book_stale_ns=settings.book_stale_ms * NS_PER_MS,
        is_currency=rules.quote_asset == settings.currency and exponent <= MONEY_EXPONENT,
    )


def money(atoms: int, rules: InstrumentRules) -> int:
    """Return atoms of one market in 10^-18 of the currency, in which markets may be added."""
    atom_money: int = 10 ** (MONEY_EXPONENT - rules.quote_exponent)
    return atoms * atom_money


def kill_switch(ask: Ask) -> Objection | None:
    """Refuse everything while kill is asked for or latched."""
    return Objection("killed", "kill is latched; a person clears it with a reason") if ask.is_killed else None


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


def trading_state(ask: Ask) -> Objection | None:
    """Refuse new risk while anything makes the mesh reduce only."""
    if not ask.reducing_reasons:
        return None
    return Objection("reducing", "only reducing orders: " + ", ".join(ask.reducing_reasons))


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
    allowed = min(ask.caps.order_lots, ask.caps.order_atoms // max(1, ask.lot_atoms))
    if ask.qty_lots <= allowed:
        return None
    value = _text(ask.qty_lots * ask.lot_atoms, ask)
    return Objection("order_size", f"{value} is too large for one order", ask.qty_lots, allowed, allowed)


def price_band(ask: Ask) -> Objection | None:
    """Refuse a price too far from mid (RK-6); a reducing order only on the side that would hurt.

    Without any book there is no mid: increasing orders never come here, reducing ones pass.
    """
    if ask.half_ticks <= 0 or ask.bid_ticks <= 0 or ask.ask_ticks <= 0:
        return None
    beyond = 2 * ask.price_ticks - ask.half_ticks
    if ask.is_reducing:
        beyond = max(0, ask.side.sign * beyond)
    value = abs(beyond) * E2_BPS // ask.half_ticks
    if value <= ask.caps.band_e2_bps:
        return None
    return Objection("price_band", "the price is too far from mid (1/100 bps)", value, ask.caps.band_e2_bps)


def position(ask: Ask) -> Objection | None:
    """Cut an order that could take the position past its limit if all of its side fills (I-11)."""
    limit = min(
        ask.caps.position_lots,
        2 * ask.caps.position_atoms // max(1, ask.half_ticks * ask.rules.tick_lot_atoms),
    )
    taken = ask.side.sign * ask.position_lots + ask.live_lots
    worst = taken + ask.qty_lots
    if worst <= limit:
        return None
    return Objection(
        "position", f"worst-case position {worst} lots", worst, limit, _room(limit - taken, ask.qty_lots)
    )


def symbol_notional(ask: Ask) -> Objection | None:
    """Cut an order with which position and resting orders of a market are worth too much."""
    room = ask.caps.symbol_atoms - ask.position_atoms - ask.live_atoms
    allowed = _room(room // max(1, ask.lot_atoms), ask.qty_lots)
    if ask.qty_lots <= allowed:
        return None
    worst = ask.position_atoms + ask.live_atoms + ask.qty_lots * ask.lot_atoms
    text = f"position and orders of {ask.rules.symbol} would be worth {_text(worst, ask)}"
    return Objection("symbol_notional", text, _clip(worst), _clip(ask.caps.symbol_atoms), allowed)


def portfolio_notional(ask: Ask) -> Objection | None:
    """Cut an order with which all positions and resting orders are worth too much (RK-20)."""
    lot_money = max(1, money(ask.lot_atoms, ask.rules))
    allowed = _room((ask.caps.portfolio_money - ask.portfolio_money) // lot_money, ask.qty_lots)
    if ask.qty_lots <= allowed:
        return None
    scale = 10 ** (MONEY_EXPONENT - ask.rules.quote_exponent)
    worst = (ask.portfolio_money + ask.qty_lots * lot_money) // scale
    text = f"all positions and orders would be worth {_text(worst, ask)}"
    limit = ask.caps.portfolio_money // scale
    return Objection("portfolio_notional", text, _clip(worst), _clip(limit), allowed)


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


def loss(ask: Ask) -> Objection | None:
    """Refuse new risk once the loss limit is reached; the kill switch follows (RK-11)."""
    if ask.loss_money < ask.caps.loss_money:
        return None
    scale = 10 ** (MONEY_EXPONENT - ask.rules.quote_exponent)
    value, limit = ask.loss_money // scale, ask.caps.loss_money // scale
    return Objection("loss", f"the loss is {_text(value, ask)}", _clip(value), _clip(limit))


def _text(atoms: int, ask: Ask) -> str:
    return f"{atoms_text(atoms, ask.rules.quote_exponent)} {ask.rules.quote_asset}"


def _room(lots: int, asked_lots: int) -> int:
    return max(0, min(lots, asked_lots))


def _clip(value: int) -> int:
    return max(-INT64_MAX, min(INT64_MAX, value))


class Check(NamedTuple):
    """One line of the table; `binds_reducing` tells whether orders that only reduce meet it too."""

    check: Callable[[Ask], Objection | None]
    binds_reducing: bool


CHECKS: tuple[Check, ...] = (
    Check(kill_switch, binds_reducing=True),
    Check(well_formed, binds_reducing=True),
    Check(intent_age, binds_reducing=True),
    Check(reduce_only, binds_reducing=True),
    Check(holdings, binds_reducing=True),
    Check(trading_state, binds_reducing=False),
    Check(market_status, binds_reducing=False),
    Check(book_trust, binds_reducing=False),
    Check(book_age, binds_reducing=False),
    Check(spread, binds_reducing=False),
    Check(order_size, binds_reducing=False),
    Check(price_band, binds_reducing=True),
    Check(position, binds_reducing=False),
    Check(symbol_notional, binds_reducing=False),
    Check(portfolio_notional, binds_reducing=False),
    Check(open_orders, binds_reducing=False),
    Check(rates, binds_reducing=False),
    Check(loss, binds_reducing=False),
)


class Judgement(NamedTuple):
    """What the checks allow: `qty_lots` (0: refused), with the objection that refused or cut it."""

    qty_lots: int
    objection: Objection | None


def judge(ask: Ask, *, may_adjust: bool) -> Judgement:
    """Run the table; the first objection refuses, or cuts when it may and the rest is worth sending."""
    cut: Objection | None = None
    is_reducing = ask.is_reducing
    for line in CHECKS:
        if is_reducing and not line.binds_reducing:
            continue
        objection = line.check(ask)
        if objection is None:
            continue
        if not may_adjust or not _is_worth_sending(objection.allowed_lots, ask):
            return Judgement(0, objection)
        ask = replace(ask, qty_lots=objection.allowed_lots)
        is_reducing = ask.is_reducing
        cut = objection
    return Judgement(ask.qty_lots, cut)


def _is_worth_sending(qty_lots: int, ask: Ask) -> bool:
    rules = ask.rules
    return qty_lots >= max(1, rules.min_qty_lots) and qty_lots * ask.lot_atoms >= rules.min_notional_atoms
