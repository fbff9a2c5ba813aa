"""What the checks of an order may know, and what they answer: pure data, built by `RiskKnowledge.ask`."""

from decimal import Decimal
from typing import NamedTuple

import msgspec

from services.risk.settings import RiskSettings
from shared.messages.market import InstrumentRules
from shared.units import INT64_MAX, NS_PER_MS, Side, atoms_text, round_down

MONEY_EXPONENT = 18
"""The portfolio adds markets of different atoms; it counts in 10^-18 of the account currency."""

E8 = 10**8
"""Money that guards keep and say is in 10^-8 of the account currency: any account fits 64 bits."""

NO_LIMIT = INT64_MAX
PPM = 1_000_000
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
    tick_lot_money: int
    """Value of one lot at one tick in 10^-18 of the currency, 0 in another one."""


class Flow(NamedTuple):
    """One true sliding window of approvals."""

    name: str
    approved_count: int
    limit: int


class Objection(NamedTuple):
    """Why an order may not pass as it is; `allowed_lots` of it may (0: none)."""

    code: str
    reason: str
    value: int = 0
    limit: int = 0
    allowed_lots: int = 0


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """All that a check may know: the order asked for, the market, the exposure, the state of the mesh.

    `price_ticks` of a market order is the far touch. `live_*` count approved, sent, resting and unknown
    orders at their open quantity, this one not included. `crossed_id` is an own order that this one could
    trade with. `free_cash_atoms` is what a spot wallet can still pay. `halts` of the guards stop every order,
    `holds` those that are not reducing; `size_ppm` of the limits of size is available now. An order that
    waits for `stop_ticks` meets no own order and no touch now: its limit is judged beside its stop.
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
    halts: tuple[Objection, ...] = ()
    holds: tuple[Objection, ...] = ()
    size_ppm: int = PPM
    crossed_id: str = ""
    free_cash_atoms: int = NO_LIMIT
    stop_ticks: int = 0

    @property
    def reducible_lots(self) -> int:
        """Return how much of this side only shrinks the position, whatever else rests on it."""
        held_lots = self.position_lots if self.side else -self.position_lots
        return held_lots - self.live_lots if held_lots > self.live_lots else 0

    @property
    def is_reducing(self) -> bool:
        """Return whether this order can only shrink the position."""
        return self.qty_lots <= self.reducible_lots

    @property
    def own_reducible_lots(self) -> int:
        """Return how much of this side only shrinks the strategy's own position, and so the sum of all |own|.

        Other strategies may be opposed to it: the net of the account may grow by as much, within its limits.
        Spot has no such orders: what the account does not hold nobody can sell.
        """
        if not self.rules.is_derivative:
            return 0
        held_lots = self.strategy_position_lots if self.side else -self.strategy_position_lots
        return max(0, held_lots - self.strategy_live_lots)

    @property
    def is_own_reducing(self) -> bool:
        """Return whether this order only shrinks the position of its strategy, not that of the account."""
        return self.qty_lots <= self.own_reducible_lots and self.qty_lots > self.reducible_lots

    @property
    def sum_ppm(self) -> int:
        """Return the share of the limits on sums (position, notional): exits of a strategy may use all."""
        return PPM if self.size_ppm < PPM and self.is_own_reducing else self.size_ppm

    @property
    def half_ticks(self) -> int:
        """Return bid + ask: twice the mid, in ticks."""
        return self.bid_ticks + self.ask_ticks

    @property
    def lot_atoms(self) -> int:
        """Return the value of one lot at the price of the order."""
        return self.price_ticks * self.rules.tick_lot_atoms


def caps_of(settings: RiskSettings, rules: InstrumentRules) -> Caps:
    """Return the limits of one market in its own units, rounded down: never beyond the setting."""
    limits = settings.limits_of(rules.symbol)
    exponent = rules.quote_exponent
    lot_size = Decimal(rules.lot_size)
    is_currency = rules.quote_asset == settings.currency and exponent <= MONEY_EXPONENT

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
        is_currency=is_currency,
        tick_lot_money=rules.tick_lot_atoms * 10 ** (MONEY_EXPONENT - exponent) if is_currency else 0,
    )


def e8_text(amount_e8: int) -> str:
    """Return money in 10^-8 of the currency as a plain text, two decimals at least."""
    text = atoms_text(amount_e8, 8).rstrip("0")
    whole, _, decimals = text.partition(".")
    return f"{whole}.{decimals:0<2}"


def clipped(value: int) -> int:
    """Return a value as a message can carry it."""
    return max(-INT64_MAX, min(INT64_MAX, value))


def money(atoms: int, rules: InstrumentRules) -> int:
    """Return atoms of one market in 10^-18 of the currency, in which markets may be added."""
    atom_money: int = 10 ** (MONEY_EXPONENT - rules.quote_exponent)
    return atoms * atom_money
