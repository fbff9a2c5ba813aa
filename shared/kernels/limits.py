# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False, nonecheck=False
# cython: infer_types=False, cdivision=False
"""The limits of an order as integer arithmetic: what `services/risk/checks.py` decides with numbers alone.

The checks here have the order, the formulas and the codes of that table: well formed, reduce only, holdings,
trusted book, spread, order size, price band, position, value of the market, of the portfolio, open orders,
wallet. Every live and unknown order counts at its worst case: the caller keeps the sums. What is not
a number of one market (kill, guards, age, rates, loss, own crossing orders) is not looked at here.
Everything fits 64 bits: quotients are taken one after the other, and products stop at `BEYOND`.
"""

import cython

PPM = cython.declare(cython.longlong, 1_000_000)
E2_BPS = cython.declare(cython.longlong, 1_000_000)
PRICE_TICKS_MAX = cython.declare(cython.longlong, 1_000_000_000_000)
LOTS_MAX = cython.declare(cython.longlong, 1_000_000_000_000_000)
NO_LIMIT = cython.declare(cython.longlong, 9_223_372_036_854_775_807)
# No limit in atoms may be larger; half a product that was stopped is still beyond it.
ATOMS_MAX = cython.declare(cython.longlong, 2_000_000_000_000_000_000)
BEYOND = cython.declare(cython.longlong, 4_500_000_000_000_000_000)

CODES = (
    "",
    "bad_order",
    "reduce_only",
    "holdings",
    "untrusted_book",
    "spread",
    "order_size",
    "price_band",
    "position",
    "symbol_notional",
    "portfolio_notional",
    "open_orders",
    "balance",
    "size_scaled",
    "venue_filter",
)
"""The names of the codes, by their number; 0 lets an order pass."""

PASSES = cython.declare(cython.longlong, 0)
BAD_ORDER = cython.declare(cython.longlong, 1)
REDUCE_ONLY = cython.declare(cython.longlong, 2)
HOLDINGS = cython.declare(cython.longlong, 3)
UNTRUSTED_BOOK = cython.declare(cython.longlong, 4)
SPREAD = cython.declare(cython.longlong, 5)
ORDER_SIZE = cython.declare(cython.longlong, 6)
PRICE_BAND = cython.declare(cython.longlong, 7)
POSITION = cython.declare(cython.longlong, 8)
SYMBOL_NOTIONAL = cython.declare(cython.longlong, 9)
PORTFOLIO_NOTIONAL = cython.declare(cython.longlong, 10)
OPEN_ORDERS = cython.declare(cython.longlong, 11)
BALANCE = cython.declare(cython.longlong, 12)
SIZE_SCALED = cython.declare(cython.longlong, 13)
VENUE_FILTER = cython.declare(cython.longlong, 14)


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def product(first: cython.longlong, second: cython.longlong) -> cython.longlong:
    """Return the product of two numbers that are not negative, `BEYOND` at most."""
    if second > 0 and first > BEYOND // second:
        return BEYOND
    return first * second


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def share(whole: cython.longlong, ppm: cython.longlong) -> cython.longlong:
    """Return whole * ppm // 10^6 for 0 <= ppm <= 10^6."""
    if ppm == PPM:
        return whole
    return (whole // PPM) * ppm + (whole % PPM) * ppm // PPM


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def clamp(lots: cython.longlong, most: cython.longlong) -> cython.longlong:
    """Return lots within 0..most."""
    if lots < 0:
        return 0
    return most if lots > most else lots


@cython.final
@cython.cclass
class Limits:
    """The limits of one market, and what is known of it now; the caller keeps the latter up to date.

    Money is in atoms of the market's quote asset. `portfolio_rest` is what the limit of the portfolio has
    beyond whole atoms, in parts of `atom_money` to one atom (both only matter where a share of it holds).

    What is known: the touch and whether the book is trusted, `mark_half_ticks` (bid + ask of the last trusted
    book), the account's and this strategy's position, open lots by side of both (approved, sent, resting and
    unknown orders at what may still fill), `live_ticks_lots` (price * open lots over both sides),
    `open_count` of the market's open orders, `others_atoms` (positions and open orders of all other markets),
    `cash_atoms` that a spot wallet can still pay, `size_ppm` of the limits of size.
    """

    def __init__(
        self,
        *,
        order_lots_max: int,
        order_atoms_max: int,
        position_lots_max: int,
        position_atoms_max: int,
        symbol_atoms_max: int,
        portfolio_atoms_max: int,
        open_orders_max: int,
        spread_e2_bps_max: int,
        band_e2_bps_max: int,
        tick_lot_atoms: int,
        is_derivative: bool,
        fee_ppm: int = 0,
        min_qty_lots: int = 0,
        max_qty_lots: int = 0,
        min_price_ticks: int = 0,
        max_price_ticks: int = 0,
        min_notional_atoms: int = 0,
        may_adjust: bool = True,
        portfolio_rest: int = 0,
        atom_money: int = 1,
    ) -> None:
        """Take the limits.

        Raises:
            ValueError: a limit is negative, or too large for 64 bits in this market's atoms.
        """
        for name, value in (
            ("order_atoms_max", order_atoms_max),
            ("position_atoms_max", position_atoms_max),
            ("symbol_atoms_max", symbol_atoms_max),
            ("portfolio_atoms_max", portfolio_atoms_max),
            ("min_notional_atoms", min_notional_atoms),
        ):
            if not 0 <= value <= ATOMS_MAX:
                raise ValueError(f"{name} {value}: must be 0..{ATOMS_MAX} atoms; lower the limit")
        if not 1 <= tick_lot_atoms <= LOTS_MAX:
            raise ValueError(f"tick_lot_atoms {tick_lot_atoms}: must be 1..{LOTS_MAX}")
        if not 1 <= atom_money <= 10_000_000_000 or not 0 <= portfolio_rest < atom_money:
            raise ValueError(f"portfolio_rest {portfolio_rest} of {atom_money}: must be a part of an atom")
        if not 0 <= fee_ppm <= 1_000_000 or min(order_lots_max, position_lots_max, open_orders_max) < 0:
            raise ValueError(f"fee_ppm {fee_ppm} must be 0..1000000, and no limit may be negative")
        self.order_lots_max = order_lots_max
        self.order_atoms_max = order_atoms_max
        self.position_lots_max = position_lots_max
        self.position_atoms_max = position_atoms_max
        self.symbol_atoms_max = symbol_atoms_max
        self.portfolio_atoms_max = portfolio_atoms_max
        self.open_orders_max = open_orders_max
        self.spread_e2_bps_max = spread_e2_bps_max
        self.band_e2_bps_max = band_e2_bps_max
        self.tick_lot_atoms = tick_lot_atoms
        self.min_qty_lots = min_qty_lots
        self.max_qty_lots = max_qty_lots
        self.min_price_ticks = min_price_ticks
        self.max_price_ticks = max_price_ticks
        self.min_notional_atoms = min_notional_atoms
        self.fee_ppm = fee_ppm
        self.is_derivative = is_derivative
        self.may_adjust = may_adjust
        self._portfolio_rest = portfolio_rest
        self._atom_money = atom_money
        self.is_trusted = False
        self.bid_ticks = self.ask_ticks = self.mark_half_ticks = 0
        self.position_lots = self.own_position_lots = 0
        self.live_buy_lots = self.live_sell_lots = 0
        self.own_live_buy_lots = self.own_live_sell_lots = 0
        self.live_ticks_lots = self.open_count = self.others_atoms = 0
        self.cash_atoms = NO_LIMIT
        self.size_ppm = PPM
        self.code = self.allowed_lots = self._place = 0

    @cython.ccall
    @cython.exceptval(check=False)
    def judge(
        self,
        side: cython.longlong,
        price_ticks: cython.longlong,
        qty_lots: cython.longlong,
        is_market: cython.bint,
        is_reduce_only: cython.bint,
    ) -> cython.longlong:
        """Return how many lots of an order may be sent, 0 when it is refused; `code` is why not all (0: all).

        `price_ticks` of a market order is the far touch, 0 without one. Of several cuts the last is named.
        """
        cut: cython.longlong = PASSES
        passed: cython.longlong = 0
        code: cython.longlong
        while True:
            code = self._first(passed, side, price_ticks, qty_lots, is_market, is_reduce_only)
            if code == PASSES:
                self.code = cut
                self.allowed_lots = qty_lots
                return qty_lots
            if (
                not self.may_adjust
                or self.allowed_lots < max(1, self.min_qty_lots)
                or product(product(self.allowed_lots, max(0, price_ticks)), self.tick_lot_atoms)
                < self.min_notional_atoms
            ):
                self.code = code
                return 0
            qty_lots = self.allowed_lots
            cut = code
            passed = self._place

    @cython.ccall
    @cython.exceptval(check=False)
    def filtered(
        self,
        price_ticks: cython.longlong,
        qty_lots: cython.longlong,
        is_market: cython.bint,
        is_reduce_only: cython.bint,
    ) -> cython.longlong:
        """Return 0, or the code of an order that the venue's filters do not take (BR-26); 0 is no filter."""
        if qty_lots < max(1, self.min_qty_lots) or 0 < self.max_qty_lots < qty_lots:
            return VENUE_FILTER
        if is_market:
            return PASSES
        if price_ticks < max(1, self.min_price_ticks) or 0 < self.max_price_ticks < price_ticks:
            return VENUE_FILTER
        if is_reduce_only and self.is_derivative:
            return PASSES
        if product(product(qty_lots, price_ticks), self.tick_lot_atoms) < self.min_notional_atoms:
            return VENUE_FILTER
        return PASSES

    # ---- the table

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _says(
        self, place: cython.longlong, code: cython.longlong, allowed_lots: cython.longlong
    ) -> cython.longlong:
        self._place = place
        self.allowed_lots = allowed_lots
        return code

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _first(
        self,
        passed: cython.longlong,
        side: cython.longlong,
        price_ticks: cython.longlong,
        qty_lots: cython.longlong,
        is_market: cython.bint,
        is_reduce_only: cython.bint,
    ) -> cython.longlong:
        """Return the code of the first line beyond `passed` that objects; lines are numbered from 1."""
        held: cython.longlong = self.position_lots if side else -self.position_lots
        own_held: cython.longlong = self.own_position_lots if side else -self.own_position_lots
        live: cython.longlong = self.live_sell_lots if side else self.live_buy_lots
        own_live: cython.longlong = self.own_live_sell_lots if side else self.own_live_buy_lots
        reducible: cython.longlong = held - live if held > live else 0
        own_reducible: cython.longlong = 0
        is_reducing: cython.bint = qty_lots <= reducible
        is_own_reducing: cython.bint
        half: cython.longlong = self.bid_ticks + self.ask_ticks
        whole: cython.longlong
        value: cython.longlong
        if self.is_derivative and own_held > own_live:
            own_reducible = own_held - own_live
        is_own_reducing = qty_lots <= own_reducible and not is_reducing
        if passed < 1 and (qty_lots <= 0 or qty_lots > LOTS_MAX or price_ticks > PRICE_TICKS_MAX):
            return self._says(1, BAD_ORDER, 0)
        if passed < 1 and price_ticks <= 0 and not is_market:
            return self._says(1, BAD_ORDER, 0)
        if passed < 2 and is_reduce_only and not is_reducing:
            return self._says(2, REDUCE_ONLY, reducible)
        if passed < 3 and not self.is_derivative and side == 1:
            value = clamp(self.own_position_lots - own_live, reducible)
            if qty_lots > value:
                return self._says(3, HOLDINGS, value)
        if not is_reducing and not is_own_reducing:
            if passed < 4 and not self.is_trusted:
                return self._says(4, UNTRUSTED_BOOK, 0)
            value = (self.ask_ticks - self.bid_ticks) * 2 * E2_BPS // max(1, half)
            if passed < 5 and value > self.spread_e2_bps_max:
                return self._says(5, SPREAD, 0)
            whole = min(self.order_lots_max, self._lots_of(self.order_atoms_max, price_ticks))
            value = share(whole, self.size_ppm)
            if passed < 6 and qty_lots > value:
                return self._says(6, SIZE_SCALED if qty_lots <= whole else ORDER_SIZE, value)
        if passed < 7 and self.bid_ticks > 0 and self.ask_ticks > 0:
            value = 2 * price_ticks - half
            if is_reducing:
                value = max(0, -value if side else value)
            if abs(value) * E2_BPS // half > self.band_e2_bps_max:
                return self._says(7, PRICE_BAND, 0)
        if is_reducing:
            return PASSES
        return self._sums(passed, side, price_ticks, qty_lots, is_own_reducing)

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _sums(
        self,
        passed: cython.longlong,
        side: cython.longlong,
        price_ticks: cython.longlong,
        qty_lots: cython.longlong,
        is_own_reducing: cython.bint,
    ) -> cython.longlong:
        """Return the code of the first limit on position, values, count or wallet that objects."""
        ppm: cython.longlong = PPM if is_own_reducing else self.size_ppm
        half: cython.longlong = self.bid_ticks + self.ask_ticks
        live: cython.longlong = self.live_sell_lots if side else self.live_buy_lots
        held: cython.longlong = self.position_lots if side else -self.position_lots
        lot_atoms: cython.longlong = product(max(0, price_ticks), self.tick_lot_atoms)
        whole: cython.longlong
        others: cython.longlong
        limit: cython.longlong
        worst: cython.longlong
        taken: cython.longlong
        allowed: cython.longlong
        if passed < 8:
            if not self.is_trusted and is_own_reducing:
                half = 2 * max(self.bid_ticks, self.ask_ticks, price_ticks)
                if half <= 0:
                    return self._says(8, POSITION, held - live if held > live else 0)
            whole = min(self.position_lots_max, self._lots_of(2 * self.position_atoms_max, half))
            limit = share(whole, ppm)
            taken = live - held
            worst = taken + qty_lots
            if worst > limit:
                allowed = clamp(limit - taken, qty_lots)
                return self._says(8, SIZE_SCALED if worst <= whole else POSITION, allowed)
        taken = product(product(abs(self.position_lots), self.mark_half_ticks), self.tick_lot_atoms)
        taken = min(BEYOND, (taken + 1) // 2 + product(self.live_ticks_lots, self.tick_lot_atoms))
        others = min(BEYOND, self.others_atoms)
        worst = taken + product(qty_lots, lot_atoms)
        limit = share(self.symbol_atoms_max, ppm)
        allowed = clamp(self._lots_of(limit - taken, price_ticks), qty_lots)
        if passed < 9 and qty_lots > allowed:
            whole = self.symbol_atoms_max
            return self._says(9, SIZE_SCALED if worst <= whole else SYMBOL_NOTIONAL, allowed)
        limit = self._scaled_portfolio(ppm) - others
        allowed = clamp(self._lots_of(limit - taken, price_ticks), qty_lots)
        if passed < 10 and qty_lots > allowed:
            whole = self.portfolio_atoms_max - others
            return self._says(10, SIZE_SCALED if worst <= whole else PORTFOLIO_NOTIONAL, allowed)
        if is_own_reducing:
            return PASSES
        if passed < 11 and self.open_count >= self.open_orders_max:
            return self._says(11, OPEN_ORDERS, 0)
        if passed < 12 and not self.is_derivative and side == 0:
            whole = PPM + self.fee_ppm
            taken = max(0, self.cash_atoms)
            taken = (taken // whole) * PPM + (taken % whole) * PPM // whole
            allowed = self._lots_of(taken, price_ticks)
            if qty_lots > allowed:
                return self._says(12, BALANCE, allowed)
        return PASSES

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _lots_of(self, atoms: cython.longlong, price_ticks: cython.longlong) -> cython.longlong:
        """Return how many lots `atoms` pay at a price, rounded down; a lot without a price is 1 atom."""
        if price_ticks <= 0:
            return atoms
        return atoms // price_ticks // self.tick_lot_atoms

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _scaled_portfolio(self, share_ppm: cython.longlong) -> cython.longlong:
        """Return the share of the portfolio's limit in whole atoms; the part of an atom counts as well."""
        low: cython.longlong
        if share_ppm == PPM:
            return self.portfolio_atoms_max
        low = (self.portfolio_atoms_max % PPM) * share_ppm
        return (
            (self.portfolio_atoms_max // PPM) * share_ppm
            + low // PPM
            + ((low % PPM) * self._atom_money + self._portfolio_rest * share_ppm) // (self._atom_money * PPM)
        )
