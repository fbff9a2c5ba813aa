"""When a grid gives up: stop-loss, take-profit with its trailing part (ST-34).

    ratio = (value of what is held - its cost - its fees) / its cost        above 0: a profit
    stop  = ratio <= -stop_loss_pct
    take  = ratio >= take_profit_pct arms; then ratio <= highest ratio since - trailing_pct

Then every order is withdrawn, everything is sold (bought back) through the book, and the grid stands still.
"""

import msgspec

from services.strategy.base import Context, Quote
from services.strategy.grid_settings import GridSettings
from services.strategy.own_orders import OwnOrder
from services.strategy.sizes import is_allowed_size
from shared.messages import Message
from shared.messages.orders import OrderRefused
from shared.units import NS_PER_S, PPM, Side

EXIT_SLOT = "exit"
"""The order slot of the order that closes everything."""

REACH_PCT = 1
"""How far through the book that order reaches: a limit keeps an empty book from giving it away."""

E2_BPS = 1_000_000
"""1/100 bps in a whole, the unit in which risk names its price band."""

REPRICE_NS = NS_PER_S
"""After this long an order that the market has run away from gets a new price."""


class ExitState(msgspec.Struct, array_like=True):
    """Whether the grid trades, leaves (`reason` is set), or is out until `resume_ns` or a person.

    The ratios are in parts per million. `band_e2_bps` is the price band that refused an exit, 0 before one
    did, in 1/100 bps.
    """

    reason: str = ""
    is_out: bool = False
    resume_ns: int = 0
    is_armed: bool = False
    highest_ppm: int = 0
    band_e2_bps: int = 0

    def learn_band(self, event: Message) -> None:
        """Take from a refusal how far from mid risk lets an order go (RK-6): the next one stays within."""
        if isinstance(event, OrderRefused) and event.code == "price_band" and event.limit > 0:
            self.band_e2_bps = event.limit

    def judge(self, settings: GridSettings, unrealized_atoms: int, cost_atoms: int) -> str:
        """Return why everything has to be closed now, empty when it has not; remembers the highest ratio."""
        if cost_atoms <= 0:
            self.is_armed, self.highest_ppm = False, 0
            return ""
        ratio_ppm = unrealized_atoms * PPM // cost_atoms
        stop_ppm = round(settings.stop_loss_pct * PPM / 100)
        if stop_ppm and ratio_ppm <= -stop_ppm:
            found_pct = ratio_ppm / 10_000
            return f"stop-loss: {found_pct:.2f} % of the cost, the limit is -{settings.stop_loss_pct:g} %"
        take_ppm = round(settings.take_profit_pct * PPM / 100)
        if not take_ppm:
            return ""
        if ratio_ppm >= take_ppm:
            self.is_armed = True
        self.highest_ppm = max(self.highest_ppm, ratio_ppm) if self.is_armed else 0
        if self.is_armed and ratio_ppm <= self.highest_ppm - round(settings.trailing_pct * PPM / 100):
            return (
                f"take-profit: {ratio_ppm / 10_000:.2f} % of the cost after {self.highest_ppm / 10_000:.2f} %"
            )
        return ""

    def quiet_ppm(self, settings: GridSettings) -> tuple[int | None, int | None]:
        """Return the ratios, both included, for which `judge` finds nothing and remembers nothing new."""
        stop_ppm = round(settings.stop_loss_pct * PPM / 100)
        take_ppm = round(settings.take_profit_pct * PPM / 100)
        least = 1 - stop_ppm if stop_ppm else None
        if not take_ppm:
            return least, None
        if not self.is_armed:
            return least, take_ppm - 1
        fallen = self.highest_ppm - round(settings.trailing_pct * PPM / 100) + 1
        return fallen if least is None else max(least, fallen), self.highest_ppm

    def finish(self, settings: GridSettings, now_ns: int) -> None:
        """Take that everything is closed."""
        self.is_out = True
        self.resume_ns = now_ns + settings.exit_pause_s * NS_PER_S if settings.exit_pause_s else 0
        self.is_armed, self.highest_ppm = False, 0

    def clear(self) -> None:
        """Begin anew."""
        self.reason = ""
        self.is_out = self.is_armed = False
        self.resume_ns = self.highest_ppm = 0


def closing_ticks(ctx: Context, side: Side, band_e2_bps: int) -> int:
    """Return the price of an order that closes: `REACH_PCT` through the book, but within a known band.

    Nine tenths of the band, since mid moves until risk judges; the touch itself is always reached.
    """
    bid_ticks, ask_ticks = ctx.book.bid_ticks, ctx.book.ask_ticks
    half_ticks = bid_ticks + ask_ticks
    reach_half_ticks = half_ticks * band_e2_bps * 9 // (10 * E2_BPS)
    if side is Side.SELL:
        price = max(bid_ticks * (100 - REACH_PCT) // 100, 1)
        return max(price, min(bid_ticks, -(-(half_ticks - reach_half_ticks) // 2))) if band_e2_bps else price
    price = ask_ticks * (100 + REACH_PCT) // 100 + 1
    return min(price, max(ask_ticks, (half_ticks + reach_half_ticks) // 2)) if band_e2_bps else price


def closing_quote(ctx: Context, pot_lots: int, leaving: ExitState, *, is_reduce_only: bool) -> Quote | None:
    """Return the order that closes the pot, None when there is nothing to send now.

    One at a time: while one is out it stays, unless the market has run away from it.
    """
    order = ctx.orders.get(EXIT_SLOT)
    if order is not None and order.is_cancel_asked:
        return None
    side = order.side if order is not None else (Side.SELL if pot_lots > 0 else Side.BUY)
    price, reason = closing_ticks(ctx, side, leaving.band_e2_bps), leaving.reason
    if order is not None:
        price = price if _is_left_behind(ctx, order) else order.price_ticks
        return Quote(EXIT_SLOT, side, price, order.asked_lots, reason, False, order.is_reduce_only)
    lots = abs(pot_lots)
    if not is_allowed_size(ctx.rules, price, lots):
        return None
    return Quote(EXIT_SLOT, side, price, lots, reason, False, is_reduce_only)


def _is_left_behind(ctx: Context, order: OwnOrder) -> bool:
    """Return whether nobody at the touch would take the order any more."""
    touch_ticks = ctx.book.bid_ticks if order.side is Side.SELL else ctx.book.ask_ticks
    is_beyond = order.side.sign * (order.price_ticks - touch_ticks) < 0
    return is_beyond and ctx.now_ns - order.intended_ns >= REPRICE_NS
